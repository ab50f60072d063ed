import { PooledProducerError } from '../../errors.ts'
import { MAX_TIMER_MS } from '../../integer.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { isJsonValue } from '../message/json-value.ts'
import { Fields } from '../options/fields.ts'

/** How a command is sent, and which replies are waited for. */
export interface BroadcastOptions {
  /** The workers that are meant, by their node names such as `celery@host`. Default: all. */
  readonly destination?: string | readonly string[]
  /** Workers whose node name matches; together with `matcher`. */
  readonly pattern?: string
  /** How `pattern` is read. Default: `glob`. */
  readonly matcher?: 'glob' | 'pcre'
  /** Whether replies are waited for. */
  readonly reply?: boolean
  /** How long replies are waited for, in milliseconds. Default: 1,000. */
  readonly timeoutMs?: number
  /** The replies that are enough. Default: one for each `destination`. */
  readonly limit?: number
}

/** {@link BroadcastOptions} that were checked. */
export interface CheckedBroadcast {
  readonly destination: readonly string[] | null
  readonly pattern: string | null
  readonly matcher: string | null
  readonly reply: boolean
  readonly timeoutMs: number
  readonly limit: number
}

const NAMES = ['destination', 'pattern', 'matcher', 'reply', 'timeoutMs', 'limit']
/** As Celery's `Control.broadcast` has it. */
const DEFAULT_TIMEOUT_MS = 1_000

/**
 * How a command is to be sent.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function broadcastOptions(options: BroadcastOptions): CheckedBroadcast {
  const fields = new Fields('', options, NAMES)
  const destination = fields.has('destination') ? nodeNames(fields) : null
  const matcher = fields.oneOf('matcher', ['glob', 'pcre'])
  const pattern = fields.text('pattern') ?? null
  if (matcher !== undefined && pattern === null)
    throw fields.refused('pattern', 'a pattern of node names for the matcher')
  return {
    destination,
    pattern,
    matcher: pattern === null ? null : (matcher ?? 'glob'),
    reply: fields.flag('reply', false),
    timeoutMs: fields.integer('timeoutMs', 1, MAX_TIMER_MS) ?? DEFAULT_TIMEOUT_MS,
    limit: fields.integer('limit', 1, MAX_TIMER_MS) ?? destination?.length ?? Number.POSITIVE_INFINITY,
  }
}

function nodeNames(fields: Fields): readonly string[] {
  const given = fields.get('destination')
  const list = typeof given === 'string' ? [given] : given
  if (!Array.isArray(list) || list.length === 0 || !list.every(isName)) {
    throw fields.refused('destination', 'the name of a node such as celery@host, or a list of some')
  }
  return list
}

/**
 * The options of a command, when they are an object.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function optionsOf<T extends object>(options: T): T {
  if (!isPlainObject(options)) throw invalid(`the options of a command must be an object, got ${describe(options)}`)
  return options
}

/**
 * The arguments of a command, when JSON carries them.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function commandArguments(command: string, args: unknown): Readonly<Record<string, unknown>> {
  if (!isPlainObject(args)) throw invalid(`the arguments of ${command} must be an object, got ${describe(args)}`)
  for (const [name, value] of Object.entries(args)) {
    if (value === undefined || isJsonValue(value, 0)) continue
    throw invalid(`${name} of ${command} must be what JSON can carry, got ${describe(value)}`)
  }
  return args
}

/** @throws {PooledProducerError} ERR_INVALID_OPTION */
export function name(what: string, value: unknown): string {
  if (!isName(value)) throw invalid(`${what} must be a name that is not empty, got ${describe(value)}`)
  return value
}

/** Ids of tasks, as Celery takes them: one, or a list. */
export function taskIds(ids: unknown): string | readonly string[] {
  if (isName(ids)) return ids
  if (Array.isArray(ids) && ids.length > 0 && ids.every(isName)) return ids
  throw invalid(`a task's id must be a string that is not empty, or a list of some, got ${describe(ids)}`)
}

/** A signal of POSIX, as Python knows it: `SIGTERM`, or `TERM`. */
export function signalName(value: unknown): string {
  if (typeof value === 'string' && /^(?:SIG)?[A-Z][A-Z0-9]*$/.test(value)) return value
  throw invalid(`signal must be the name of a signal such as SIGTERM, got ${describe(value)}`)
}

/** @throws {PooledProducerError} ERR_INVALID_OPTION */
export function numberFrom(what: string, value: unknown, min: number): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min) {
    throw invalid(`${what} must be a number of ${min} or more, got ${describe(value)}`)
  }
  return value
}

/** Celery's own form: a number of tasks per second, `10/s`, `100/m` or `5/h`. */
export function rateOf(value: unknown): number | string {
  if (typeof value === 'number') return numberFrom('rateLimit', value, 0)
  if (typeof value === 'string' && /^\d+(?:\.\d+)?(?:\/[smh])?$/.test(value)) return value
  throw invalid(`rateLimit must be a number of tasks per second, or a rate such as 100/m, got ${describe(value)}`)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
