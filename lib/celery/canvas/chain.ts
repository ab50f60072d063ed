import { eachWritten, type SignatureTable, type WrittenSignature } from '../options/signature-rules.ts'
import type { TaskOptions } from '../options/task-option-values.ts'
import { Canvas, invalid, parts } from './canvas.ts'
import { Chord } from './chord.ts'
import { Group } from './group.ts'
import { given } from './laid-options.ts'
import type { Frame, Frozen, Lead, Plan } from './plan.ts'
import { follow, type PlannedResult } from './planned-result.ts'
import { Signature } from './signature.ts'
import { signatureOptions } from './signature-options.ts'

/** Tasks that run one after the other, each with the result of the one before it. */
export class Chain<Handle = unknown> extends Canvas<Handle> {
  /** Its steps: those of a chain in it are its own, and a group with something after it is a chord. */
  readonly tasks: readonly Canvas[]
  /** @internal */
  readonly lead: Lead | undefined
  /** @internal */
  readonly endsInGroup: boolean
  /** @internal */
  readonly chordSize: number

  constructor(tasks: readonly Canvas[]) {
    super()
    this.tasks = Object.freeze(joined(tasks))
    this.lead = this.tasks.find(({ lead }) => lead !== undefined)?.lead
    this.endsInGroup = this.tasks.at(-1)?.endsInGroup ?? false
    this.chordSize = this.tasks.findLast(({ chordSize }) => chordSize > 0)?.chordSize ?? 0
  }

  set({ taskId, link, linkError, ...options }: TaskOptions): this {
    const ofFirst = given(options)
    const ofLast = given({ taskId, link: link === null ? null : undefined })
    let chain = this.#with((task, index) => {
      const own = { ...(index === 0 ? ofFirst : {}), ...(index === this.tasks.length - 1 ? ofLast : {}) }
      return Object.keys(own).length > 0 ? task.set(own) : task
    })
    for (const callback of eachWritten('link', link)) chain = chain.link(callback)
    for (const errback of eachWritten('linkError', linkError)) chain = chain.linkError(errback)
    return chain
  }

  link(callback: WrittenSignature): this {
    return this.#with((task, index) => (index === this.tasks.length - 1 ? task.link(callback) : task))
  }

  linkError(errback: WrittenSignature): this {
    return this.#with((task) => task.linkError(errback))
  }

  toJSON(): SignatureTable {
    return chainTable(
      this.tasks.map((task) => task.toJSON()),
      {},
    )
  }

  /** @internal */
  prepend(args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): this {
    return this.#with((task, index) => (index === 0 ? task.prepend(args, kwargs) : task))
  }

  /** @internal */
  freeze(plan: Plan, frame: Frame): Frozen {
    const { chain, ...ofLast } = frame
    if (this.tasks.length === 1) return (this.tasks[0] as Canvas).freeze(plan, frame)
    const frozen = this.#frozen(plan, 0, ofLast)
    const tables = frozen.map(({ table }) => table)
    return { table: chainTable(tables, signatureOptions({ ...(chain && { chain }) })), result: inLine(frozen) }
  }

  /** @internal */
  start(plan: Plan, frame: Frame): PlannedResult {
    const [first, ...others] = this.tasks as [Canvas, ...Canvas[]]
    const { chain: after = [], ...ofLast } = frame
    if (others.length === 0) {
      // Celery says that a task is a chain's only one by a list of none.
      return first.start(plan, first instanceof Signature ? { ...frame, chain: after } : frame)
    }
    const frozen = this.#frozen(plan, 1, ofLast)
    // The worker takes the next one off the end.
    const chain = [...after, ...frozen.map(({ table }) => table).reverse()]
    return inLine([{ result: first.start(plan, { chain }) }, ...frozen])
  }

  #frozen(plan: Plan, from: number, ofLast: Frame): Frozen[] {
    const steps = this.tasks.slice(from)
    return steps.map((task, index) => task.freeze(plan, index === steps.length - 1 ? ofLast : {}))
  }

  #with(change: (task: Canvas, index: number) => Canvas): this {
    return new Chain<Handle>(this.tasks.map(change)) as this
  }
}

/** The last of some results, each of which gets the one before it as its parent. */
function inLine(steps: readonly { readonly result: PlannedResult }[]): PlannedResult {
  const [first, ...others] = steps as [{ readonly result: PlannedResult }]
  return others.reduce((before, { result }) => {
    follow(result, before)
    return result
  }, first.result)
}

/**
 * The steps of a chain: each group with something after it becomes a chord with that as its body, and a chord with
 * something after it takes that into its body. Source: Celery, `celery/canvas.py`, `chain.__or__`.
 */
function joined(tasks: readonly Canvas[]): Canvas[] {
  const steps: Canvas[] = []
  for (const task of tasks) {
    for (const step of unrolled(task)) {
      const last = steps.at(-1)
      if (last instanceof Group) steps[steps.length - 1] = new Chord(last, step)
      else if (last instanceof Chord && (!(step instanceof Group) || last.endsInGroup)) {
        steps[steps.length - 1] = new Chord(last.header, new Chain([last.body, step]))
      } else steps.push(step)
    }
  }
  return steps
}

/** A part of a chain as steps: a chain's own, and a group of one is that one. */
function unrolled(task: Canvas): readonly Canvas[] {
  if (task instanceof Chain) return task.tasks
  if (task instanceof Group && task.tasks.length === 1) return unrolled(task.tasks[0] as Canvas)
  return [task]
}

function chainTable(tasks: readonly SignatureTable[], options: Readonly<Record<string, unknown>>): SignatureTable {
  return { task: 'celery.chain', args: [], kwargs: { tasks }, options, subtask_type: 'chain', immutable: false }
}

/** What a call of the last of some parts resolves with. */
type LastHandle<Parts extends readonly Canvas[]> = Parts extends readonly [...Canvas[], Canvas<infer Handle>]
  ? Handle
  : unknown

/**
 * Tasks that run one after the other, each with the result of the one before it put before its own arguments. A call
 * resolves with the result of the last one.
 *
 * @example
 * const result = await chain(add.s(2, 3), add.s(4)).applyAsync()
 * await result.get() // 9
 * await result.parent?.get() // 5
 *
 * @param tasks signatures, chains, groups or chords, one at least; one after the other, or in one array.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the place of what is none, as in `chain[2]`.
 */
export function chain<const Parts extends readonly Canvas[]>(...tasks: Parts): Chain<LastHandle<Parts>>
export function chain(tasks: readonly Canvas[]): Chain
export function chain(...tasks: readonly (Canvas | readonly Canvas[])[]): Chain {
  const steps = parts('chain', tasks)
  if (steps.length === 0) throw invalid('a chain needs one task at least')
  return new Chain(steps)
}
