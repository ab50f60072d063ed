import { PooledProducerError, quiet } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { newTaskId } from '../message/task-id.ts'
import type { SignatureTable, WrittenSignature } from '../options/signature-rules.ts'
import type { TaskOptions } from '../options/task-option-values.ts'
import { GroupResult } from '../results/group-result.ts'
import type { CanvasSender, Frame, Frozen, Lead, Plan } from './plan.ts'
import type { PlannedResult } from './planned-result.ts'

type Kwargs = Readonly<Record<string, unknown>>

const NO_KWARGS: Kwargs = Object.freeze({})

/**
 * A workflow, or a part of one: a signature, a chain, a group or a chord. It never changes: each method that says
 * something more about it gives a new one, and each call of it has ids of its own.
 *
 * @typeParam Handle what a call resolves with: an `AsyncResult`, or the `GroupResult` of a group.
 */
export abstract class Canvas<Handle = unknown> {
  /** @internal The task that it begins with; undefined: there is none. */
  abstract readonly lead: Lead | undefined
  /** @internal Whether its result is that of a group. */
  abstract readonly endsInGroup: boolean
  /**
   * @internal How many tasks of it a chord waits for that has it in its header. Source: Celery, `celery/canvas.py`,
   * `_chord._descend`.
   */
  abstract readonly chordSize: number

  /**
   * The same with options for its calls, laid over those that it has: for the task; for each task of a group; for
   * the first task of a chain; for header and body of a chord, but a countdown for the body alone. `taskId` is the id of
   * the result. Links and errbacks come to those that a chain has.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names the option, the value and what was expected.
   */
  abstract set(options: TaskOptions): this

  /**
   * The same with a task that is started with its result: the last one's of a chain, the body's of a chord.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK for a group, which has no one result: make it a chord.
   */
  abstract link(callback: WrittenSignature): this

  /** The same with a task that is started when it fails: any task of a chain or a group, or a chord's body. */
  abstract linkError(errback: WrittenSignature): this

  /** As Celery's messages spell it, without ids. */
  abstract toJSON(): SignatureTable

  /** @internal The same with arguments before its own, as a call adds them. */
  abstract prepend(args: readonly unknown[], kwargs: Kwargs): this

  /** @internal With ids, for a worker that starts it later. */
  abstract freeze(plan: Plan, frame: Frame): Frozen

  /** @internal Plans what is to be published at once. */
  abstract start(plan: Plan, frame: Frame): PlannedResult

  /** The same with arguments before its own, keyword arguments and options laid over its own. */
  clone(args: readonly unknown[] = [], kwargs: Kwargs = NO_KWARGS, options: TaskOptions = {}): this {
    const partial = args.length > 0 || Object.keys(kwargs).length > 0 ? this.prepend(args, kwargs) : this
    return Object.keys(options).length > 0 ? partial.set(options) : partial
  }

  /** Starts it with positional arguments, which go before its own; see {@link applyAsync}. */
  delay(...args: readonly unknown[]): Promise<Handle> {
    return this.applyAsync(args)
  }

  /**
   * Starts it: all that is to be published now goes out in one write. Resolves once the broker has confirmed all of
   * it, with the result of the last task, of the group or of the chord's body; `parent` leads to those before it.
   * Awaited or not, a failure never ends the process.
   *
   * @param args go before the arguments of the first task, of each task of a group, or of each in a chord's header.
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK before anything is sent; with ERR_RESULT_TIMEOUT, also
   *   before, when there is a chord to start and its Redis does not answer; and with all that `pool.publish` rejects
   *   with: the first failure, when some of several messages failed.
   */
  applyAsync(args: readonly unknown[] = [], kwargs: Kwargs = NO_KWARGS, options: TaskOptions = {}): Promise<Handle> {
    return quiet(this.#start(args, kwargs, options))
  }

  /** @internal What a call gives when there is no task in it: as in Celery, the result of a group of none. */
  protected startNothing(): Handle {
    return new GroupResult(newTaskId(), []) as Handle
  }

  async #start(args: readonly unknown[], kwargs: Kwargs, options: TaskOptions): Promise<Handle> {
    const called = (): this => {
      if (!Array.isArray(args)) throw invalid(`args must be an array, got ${describe(args)}`)
      if (!isPlainObject(kwargs)) throw invalid(`kwargs must be a plain object, got ${describe(kwargs)}`)
      return this.clone(args, kwargs, options)
    }
    if (this.lead === undefined) return called().startNothing()
    // Laid over there, where what is wrong with it is counted.
    return this.lead.sender.run((plan) => called().start(plan, {})) as Promise<Handle>
  }
}

/** @internal An error of a workflow. */
export function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}

/**
 * @internal The parts that `chain`, `group` or `chord` was given, each as an argument or all in one array.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the place, as in `chain[2]`.
 */
export function parts<Part extends Canvas>(name: string, given: readonly (Part | readonly Part[])[]): readonly Part[] {
  const list = (given.length === 1 && Array.isArray(given[0]) ? given[0] : given) as readonly Part[]
  let app: CanvasSender | undefined
  for (const [index, part] of Array.from(list).entries()) {
    const place = `${name}[${index}]`
    if (!(part instanceof Canvas)) {
      throw invalid(`${place} must be a signature, such as task.s(1, 2) gives, got ${describe(part)}`)
    }
    const sender = part.lead?.sender
    if (app !== undefined && sender !== undefined && sender !== app) {
      throw invalid(`${place} is of another app than what stands before it`)
    }
    app ??= sender
  }
  return Object.freeze([...list])
}
