import { newTaskId } from '../message/task-id.ts'
import type { SignatureTable } from '../options/signature-rules.ts'
import type { TaskOptions } from '../options/task-option-values.ts'
import { Canvas, parts } from './canvas.ts'
import { Group } from './group.ts'
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

  constructor(header: Group, body: Canvas<Handle>) {
    super()
    this.header = header
    this.body = body
    this.lead = header.lead ?? body.lead
    this.endsInGroup = body.endsInGroup
  }

  set({ taskId, link, linkError, ...options }: TaskOptions): this {
    const ofBody = { ...options, ...defined({ taskId, link, linkError }) }
    const isForBoth = Object.keys(options).length > 0
    return this.#with(this.body.set(ofBody), isForBoth ? this.header.set(options) : this.header)
  }

  link(callback: Canvas): this {
    return this.#with(this.body.link(callback))
  }

  linkError(errback: Canvas): this {
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
    const { table, result } = this.body.freeze(plan, frame)
    const body = withQueue(table)
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
    const { table: ownTable, result } = this.body.freeze(plan, frame)
    const table = withQueue(ownTable)
    // As Celery does for a chord in a group: the worker does not add it to the children of who ended last.
    const body = frame.groupId === undefined ? table : { ...table, options: { ...table.options, add_to_parent: false } }
    follow(result, this.#startByWorker(plan, body))
    return result
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

/**
 * A body that is a chain with the queue of its first step: a worker whose backend cannot count sends the task that waits
 * for the header there, and by default to a queue that nobody may listen to.
 */
function withQueue(body: SignatureTable): SignatureTable {
  const { tasks } = (body.kwargs ?? {}) as { readonly tasks?: readonly SignatureTable[] }
  const queue = tasks?.[0]?.options?.queue
  return queue === undefined ? body : { ...body, options: { queue, ...body.options } }
}

function defined(options: TaskOptions): TaskOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/**
 * Tasks that run beside each other, and one that gets the list of their results when all have succeeded. A call
 * resolves with the result of that one. A worker starts it, and it is the worker's backend that has to know chords:
 * `rpc://` does not.
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
