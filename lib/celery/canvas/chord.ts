import { newTaskId } from '../message/task-id.ts'
import type { SignatureTable, WrittenSignature } from '../options/signature-rules.ts'
import type { TaskOptions } from '../options/task-option-values.ts'
import type { ChordCounter, ChordStarter } from '../results/result-backend.ts'
import { Canvas, invalid, parts } from './canvas.ts'
import { Group } from './group.ts'
import { given } from './laid-options.ts'
import type { Frame, Frozen, Lead, Plan } from './plan.ts'
import { follow, type PlannedResult } from './planned-result.ts'

/** Tasks that run beside each other, and one that gets the list of their results when all have succeeded. */
export class Chord<Handle = unknown> extends Canvas<Handle> {
  readonly header: Group
  readonly body: Canvas<Handle>
  /** @internal */
  readonly lead: Lead | undefined
  /** @internal */
  readonly endsInGroup: boolean
  /** @internal */
  readonly chordSize: number

  constructor(header: Group, body: Canvas<Handle>) {
    super()
    this.header = header
    this.body = body
    this.lead = header.lead ?? body.lead
    this.endsInGroup = body.endsInGroup
    this.chordSize = body.chordSize
  }

  set({ taskId, link, linkError, countdown, ...options }: TaskOptions): this {
    // A countdown is the body's alone. Source: Celery, `celery/canvas.py`, `_chord.run`.
    const ofHeader = given(options)
    const ofBody = given({ ...options, taskId, link, linkError, countdown })
    const isForBoth = Object.keys(ofHeader).length > 0
    return this.#with(this.body.set(ofBody), isForBoth ? this.header.set(ofHeader) : this.header)
  }

  link(callback: WrittenSignature): this {
    return this.#with(this.body.link(callback))
  }

  linkError(errback: WrittenSignature): this {
    return this.#with(this.body.linkError(errback))
  }

  toJSON(): SignatureTable {
    return chordTable(this.header.toJSON(), this.body.toJSON(), {})
  }

  /** @internal */
  prepend(args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): this {
    return this.#with(this.body, this.header.prepend(args, kwargs))
  }

  /** @internal */
  freeze(plan: Plan, frame: Frame): Frozen {
    // With an empty header a worker sends the body at once, as this app does.
    const isCounted = this.header.tasks.length > 0 && chordStarter(plan) !== 'worker'
    const { table, result } = this.body.freeze(plan, frame)
    const body = isCounted ? table : withQueue(table)
    const header = this.header.freeze(plan, { chord: body })
    follow(result, header.result)
    return { table: chordTable(header.table, body, { task_id: header.result.id }), result }
  }

  /** @internal */
  start(plan: Plan, frame: Frame): PlannedResult {
    const { tasks } = this.header
    if (tasks.length === 0) {
      const result = this.body.prepend([[]], {}).start(plan, frame)
      follow(result, { id: this.header.id ?? newTaskId(), children: [], parent: undefined })
      return result
    }
    const starter = chordStarter(plan)
    const { table, result } = this.body.freeze(plan, frame)
    // As Celery does for a chord in a group: the worker does not add it to the children of who ended last.
    const inGroup = frame.groupId === undefined ? {} : { add_to_parent: false }
    const inHeader = frame.chord === undefined ? {} : { root_id: null, parent_id: null }
    const body = { ...table, options: { ...table.options, ...inGroup, ...inHeader } }
    const header = starter === 'worker' ? this.#startByWorker(plan, withQueue(body)) : this.#start(plan, body, starter)
    follow(result, header)
    return result
  }

  /**
   * This app starts it: each task of the header has the body with it, and the worker that ends the last one, by a count
   * that the backend keeps, sends the body. Source: Celery, `celery/canvas.py`, `_chord.run`.
   */
  #start(plan: Plan, body: SignatureTable, counter: ChordCounter): PlannedResult {
    const header = this.header.startHeader(plan, this.header.id ?? newTaskId(), body)
    plan.chords.push({ header, size: this.header.chordSize, counter })
    return header
  }

  /**
   * A worker starts it: each worker has the task `celery.chord`, which takes a header and a body and does the rest with
   * its own result backend. Source: Celery, `celery/app/builtins.py`, `add_chord_task`.
   */
  #startByWorker(plan: Plan, body: SignatureTable): PlannedResult {
    const members = this.header.tasks.map((task) => task.freeze(plan, {}))
    const kwargs = { header: members.map(({ table }) => table), body }
    const parent = this.header.lead?.startAs(plan, 'celery.chord', kwargs)
    const children = members.map(({ result }) => result)
    return { id: this.header.id ?? newTaskId(), children, parent }
  }

  #with(body: Canvas<Handle>, header: Group = this.header): this {
    return new Chord(header, body) as this
  }
}

function chordTable(
  header: SignatureTable,
  body: SignatureTable,
  options: Readonly<Record<string, unknown>>,
): SignatureTable {
  // The inner `kwargs` are for tasks of the header; a worker does not do without them.
  const kwargs = { kwargs: {}, header, body }
  return { task: 'celery.chord', args: [], kwargs, options, subtask_type: 'chord', immutable: false }
}

function chordStarter({ chordStarter }: Plan): ChordStarter {
  if (chordStarter !== undefined) return chordStarter
  const cure = 'give the app and its workers a redis:// backend, or send it with an app that has none'
  throw invalid(`nobody can start a chord: a backend of rpc:// does not count the tasks of its header; ${cure}`)
}

/**
 * A body that is a chain with the queue of its first step: a worker whose backend cannot count sends the task that waits
 * for the header there, and by default to a queue that nobody may listen to.
 */
function withQueue(body: SignatureTable): SignatureTable {
  const { tasks } = (body.kwargs ?? {}) as { readonly tasks?: readonly SignatureTable[] }
  const queue = tasks?.[0]?.options?.queue
  return queue === undefined ? body : { ...body, options: { queue, ...body.options } }
}

/**
 * Tasks that run beside each other, and one that gets the list of their results when all have succeeded. A call
 * resolves with the result of that one.
 *
 * An app with a `redis://` backend starts it: Redis is told how many tasks have to end, and then all of them are sent at
 * once. When Redis does not answer the call rejects with ERR_RESULT_TIMEOUT and `outcome: 'not-sent'`: no message was
 * written. When the broker does not take all of them it rejects with the first failure: those that it took run, and the
 * body starts only if those that are in doubt (`outcome: 'unknown'`) have reached it too. An app without a backend, or
 * with protocol version 1, has a worker start it, by its task `celery.chord` and with its own backend. An app with
 * `rpc://`, which cannot count, refuses it with ERR_INVALID_TASK, wherever in a workflow it stands.
 *
 * @example
 * const total = await chord([add.s(2, 2), add.s(4, 4)], sum.s()).applyAsync()
 * await total.get() // 12
 *
 * @param header a group, or signatures in an array; with none, the body gets an empty list at once.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the place of what is no signature, as in `chord header[2]`.
 */
export function chord<Handle>(header: Group | readonly Canvas[], body: Canvas<Handle>): Chord<Handle> {
  const tasks = header instanceof Group ? header : new Group(parts('chord header', [header as readonly Canvas[]]))
  parts('chord header and body', [[tasks, body]])
  return new Chord(tasks, body)
}
