import { isDeepStrictEqual } from 'node:util'
import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'

/** A task to be started later, as Celery's messages spell it (`celery/canvas.py`, `Signature`). */
export interface SignatureTable {
  readonly task: string
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  /** Options of `apply_async` under Celery's own names, such as `task_id` and `reply_to`. */
  readonly options?: Readonly<Record<string, unknown>>
  readonly subtask_type?: string | null
  /** True: what came before is not put before its arguments. */
  readonly immutable?: boolean
}

/** What writes itself as a {@link SignatureTable}: a signature, or a whole workflow. */
export interface WrittenSignature {
  toJSON(): SignatureTable
}

/**
 * A copy with all six of Celery's keys: a worker fails over a signature that lacks one.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK
 */
export function signature(name: string, given: unknown): SignatureTable {
  const value = isWritten(given) ? given.toJSON() : given
  if (!isPlainObject(value) || typeof value.task !== 'string' || value.task === '') {
    throw invalid(name, 'a signature, an object with the name of its task as `task`', value)
  }
  const { args = [], kwargs = {}, options = {}, subtask_type = null, immutable = false } = value
  if (!Array.isArray(args)) throw invalid(`${name}.args`, 'an array', args)
  if (!isPlainObject(kwargs)) throw invalid(`${name}.kwargs`, 'a plain object', kwargs)
  if (!isPlainObject(options)) throw invalid(`${name}.options`, 'a plain object', options)
  if (typeof immutable !== 'boolean') throw invalid(`${name}.immutable`, 'true or false', immutable)
  if (subtask_type !== null && typeof subtask_type !== 'string') {
    throw invalid(`${name}.subtask_type`, 'a string or null', subtask_type)
  }
  // Other keys are kept: a chord's body says its size in one.
  return Object.freeze({ ...value, task: value.task, args, kwargs, options, subtask_type, immutable })
}

/** More signatures behind those that there are. Each stands there once: a worker would start it twice. */
export function withEach(
  held: readonly SignatureTable[] | undefined,
  more: readonly SignatureTable[],
): readonly SignatureTable[] {
  const list = [...(held ?? [])]
  for (const table of more) if (!list.some((other) => isDeepStrictEqual(other, table))) list.push(table)
  return list
}

/** What an option of links was given, one by one. */
export function eachWritten(name: string, value: unknown): WrittenSignature[] {
  if (value === undefined || value === null) return []
  return signatures(name, value).map((table) => ({ toJSON: () => table }))
}

/** Whether a value says itself what it is in a message, as a signature of `task.s()` does. */
function isWritten(value: unknown): value is WrittenSignature {
  return !isPlainObject(value) && typeof (value as WrittenSignature | null | undefined)?.toJSON === 'function'
}

/** Signatures in their order. */
export function signatureList(name: string, value: unknown): readonly SignatureTable[] {
  if (!Array.isArray(value)) throw invalid(name, 'an array of signatures', value)
  return Object.freeze(Array.from(value, (item, index) => signature(`${name}[${index}]`, item)))
}

/** One signature or several, as a list. */
export function signatures(name: string, value: unknown): readonly SignatureTable[] {
  return Array.isArray(value) ? signatureList(name, value) : Object.freeze([signature(name, value)])
}

/** Celery's own tasks of several arguments that are not bound. */
const CALLED_INLINE: ReadonlySet<string> = new Set(['celery.chain', 'celery.map', 'celery.starmap'])

/**
 * One errback or several, as a list. A worker calls an errback of more than one argument in its own process, and does
 * not outlive the call of these; a group of one it sends. Source: Celery, `celery/backends/base.py`,
 * `_call_task_errbacks`.
 */
export function errbacks(name: string, value: unknown): readonly SignatureTable[] {
  return Object.freeze(
    signatures(name, value).map((table) => (CALLED_INLINE.has(table.task) ? groupOfOne(table) : table)),
  )
}

function groupOfOne(table: SignatureTable): SignatureTable {
  const kwargs = { tasks: [table] }
  return Object.freeze({ task: 'celery.group', args: [], kwargs, options: {}, subtask_type: 'group', immutable: false })
}

function invalid(name: string, expected: string, value: unknown): PooledProducerError {
  const message = `${name} must be ${expected}, got ${describe(value)}`
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
