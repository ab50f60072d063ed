import { newTaskId } from '../message/task-id.ts'
import type { SignatureTable, WrittenSignature } from '../options/signature-rules.ts'
import type { TaskOptions } from '../options/task-option-values.ts'
import { GroupResult } from '../results/group-result.ts'
import { Canvas, invalid, parts } from './canvas.ts'
import { given } from './laid-options.ts'
import type { Frame, Frozen, Lead, Plan } from './plan.ts'
import type { PlannedResult } from './planned-result.ts'

/** Tasks that run beside each other. */
export class Group<Result = unknown> extends Canvas<GroupResult<Result[]>> {
  /** Its parts; those of a group in it are its own. */
  readonly tasks: readonly Canvas[]
  /** The id of its result; undefined: another one with each call. */
  readonly id: string | undefined
  /** @internal */
  readonly lead: Lead | undefined
  /** @internal */
  readonly endsInGroup = true
  /** @internal */
  readonly chordSize: number

  constructor(tasks: readonly Canvas[], id?: string) {
    super()
    this.tasks = Object.freeze(tasks.flatMap((task) => (task instanceof Group ? task.tasks : [task])))
    this.id = id
    this.lead = this.tasks.find(({ lead }) => lead !== undefined)?.lead
    this.chordSize = this.tasks.reduce((size, task) => size + task.chordSize, 0)
  }

  set({ taskId, link, ...others }: TaskOptions): this {
    if (link) throw noLink()
    const options = given(others)
    const id = taskId === null ? undefined : (taskId ?? this.id)
    return this.#with((task) => (Object.keys(options).length > 0 ? task.set(options) : task), id)
  }

  link(_callback: WrittenSignature): this {
    throw noLink()
  }

  linkError(errback: WrittenSignature): this {
    return this.#with((task) => task.linkError(errback))
  }

  toJSON(): SignatureTable {
    return groupTable(
      this.tasks.map((task) => task.toJSON()),
      this.id === undefined ? {} : { task_id: this.id },
    )
  }

  /** @internal */
  prepend(args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): this {
    return this.#with((task) => task.prepend(args, kwargs))
  }

  /** @internal */
  freeze(plan: Plan, { taskId, groupId, groupIndex, chord }: Frame): Frozen {
    const id = this.id ?? groupId ?? taskId ?? newTaskId()
    const inherited = { ...(groupId === undefined ? {} : { groupId }), ...(chord === undefined ? {} : { chord }) }
    const members = this.tasks.map((task, index) => task.freeze(plan, { ...inherited, groupIndex: index }))
    const options = {
      task_id: id,
      // As Celery has them: not known before the worker starts it.
      root_id: null,
      parent_id: null,
      ...(groupId === undefined ? {} : { group_id: groupId }),
      ...(chord === undefined ? {} : { chord }),
      ...(groupIndex === undefined ? {} : { group_index: groupIndex }),
    }
    return {
      table: groupTable(
        members.map(({ table }) => table),
        options,
      ),
      result: { id, children: members.map(({ result }) => result), parent: undefined },
    }
  }

  /** @internal */
  start(plan: Plan, { taskId, groupId, chord }: Frame): PlannedResult {
    if (chord !== undefined) return this.startHeader(plan, groupId ?? newTaskId(), chord)
    const id = this.id ?? taskId ?? newTaskId()
    return { id, children: this.tasks.map((task) => task.start(plan, { groupId: id })), parent: undefined }
  }

  /** @internal Plans its tasks as the header of a chord: each has the chord's body with it, and its place. */
  startHeader(plan: Plan, groupId: string, chord: SignatureTable): PlannedResult {
    const children = this.tasks.map((task, groupIndex) => task.start(plan, { groupId, groupIndex, chord }))
    return { id: groupId, children, parent: undefined }
  }

  /** @internal */
  protected override startNothing(): GroupResult<Result[]> {
    return new GroupResult(this.id ?? newTaskId(), [])
  }

  #with(change: (task: Canvas) => Canvas, id: string | undefined = this.id): this {
    return new Group<Result>(this.tasks.map(change), id) as this
  }
}

function groupTable(tasks: readonly SignatureTable[], options: Readonly<Record<string, unknown>>): SignatureTable {
  return { task: 'celery.group', args: [], kwargs: { tasks }, options, subtask_type: 'group', immutable: false }
}

function noLink(): Error {
  return invalid('a group has no one result that a link could get: make it a chord')
}

/** What the result of each part of a group is. */
type ResultOf<Part> = Part extends Canvas<{ get(): Promise<infer Result> }> ? Result : unknown

/**
 * Tasks that run beside each other. A call resolves with the results of all, in their order.
 *
 * @example
 * const sums = await group(add.s(2, 2), add.s(4, 4)).applyAsync()
 * await sums.get() // [4, 8]
 *
 * @param tasks signatures, chains, groups or chords; one after the other, or in one array. Of none nothing is sent.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the place of what is none, as in `group[2]`.
 */
export function group<Part extends Canvas>(...tasks: readonly (Part | readonly Part[])[]): Group<ResultOf<Part>>
// Parts of several kinds have no type in common that could be inferred from them.
export function group<const Parts extends readonly Canvas[]>(...tasks: Parts): Group<ResultOf<Parts[number]>>
export function group(...tasks: readonly (Canvas | readonly Canvas[])[]): Group {
  return new Group(parts('group', tasks))
}
