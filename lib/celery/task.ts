import { PooledProducerError, quiet } from '../errors.ts'
import { rejecting } from '../pool/producer.ts'
import { describe } from '../shown-value.ts'
import type { Group } from './canvas/group.ts'
import { chunked, mapped } from './canvas/mapped.ts'
import type { CanvasSender } from './canvas/plan.ts'
import { Signature, type SignatureParts } from './canvas/signature.ts'
import type { TaskOptions } from './options/task-option-values.ts'
import type { AsyncResult } from './results/async-result.ts'
import type { TaskMessages } from './task-messages.ts'

/** Sends the messages of a task. */
export interface TaskSender {
  /** Sends workflows. */
  readonly canvas: CanvasSender
  send(messages: TaskMessages, args: readonly unknown[], kwargs: Kwargs): Promise<unknown>
  sendWith(base: TaskMessages, args: unknown, kwargs: unknown, options: TaskOptions): Promise<unknown>
}

/** Keyword arguments by name. */
export type Kwargs = Readonly<Record<string, unknown>>

/** The arguments of a call and its options; what may be left out is optional. */
export type CallParameters<Args extends readonly unknown[], Named> = undefined extends Named
  ? [] extends Args
    ? [args?: Args, kwargs?: Named, options?: TaskOptions]
    : [args: Args, kwargs?: Named, options?: TaskOptions]
  : [args: Args, kwargs: Named, options?: TaskOptions]

/** One call of `delayMany`. */
export type CallItem<Args, Named> = undefined extends Named
  ? readonly [args: Args, kwargs?: NonNullable<Named>]
  : readonly [args: Args, kwargs: Named]

/** The last arguments of a task, or all: what comes before them is the result of another. */
export type Suffix<Args extends readonly unknown[]> =
  | Args
  | (Args extends readonly [unknown, ...infer Rest] ? Suffix<Rest> : never)

/** What became of one task of a batch. */
export type BatchOutcome<Result = unknown> =
  | { readonly status: 'confirmed'; readonly result: AsyncResult<Result> }
  | { readonly status: 'rejected'; readonly error: Error }

const NO_KWARGS: Kwargs = Object.freeze({})

/**
 * A task by its name, with the options that hold for all its calls. `Named` are its keyword arguments, with
 * `undefined` where they can be left out; `Positional` is what `applyAsync` takes for `Args`, of which a task
 * without a type of its own may take some by name.
 */
export class Task<
  Args extends readonly unknown[] = readonly unknown[],
  Result = unknown,
  Named = Kwargs | undefined,
  Positional extends readonly unknown[] = Args | readonly unknown[],
> {
  readonly name: string
  readonly #sender: TaskSender
  readonly #messages: TaskMessages

  constructor(messages: TaskMessages, sender: TaskSender) {
    this.name = messages.name
    this.#messages = messages
    this.#sender = sender
  }

  /**
   * Sends the task with positional arguments. Resolves once the broker has confirmed it; awaited or not, a
   * failure never ends the process.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK, and all that `pool.publish` rejects with.
   */
  delay(...args: undefined extends Named ? Args : [keywordArgumentsAreNeeded: never]): Promise<AsyncResult<Result>> {
    return this.#sender.send(this.#messages, args, NO_KWARGS) as Promise<AsyncResult<Result>>
  }

  /** Sends the task with keyword arguments and options for this call, laid over the task's own. */
  applyAsync(...call: CallParameters<Positional, Named>): Promise<AsyncResult<Result>>
  applyAsync(args: unknown = [], kwargs: unknown = NO_KWARGS, options: TaskOptions = {}): Promise<unknown> {
    return this.#sender.sendWith(this.#messages, args, kwargs, options)
  }

  /**
   * A call of the task with these arguments, to be made later, by itself or in a workflow, where the result of what
   * came before is put before them.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names what could not be sent.
   */
  s(...args: Suffix<Args>): Signature<Result> {
    return this.signature(args)
  }

  /** The same, but immutable: what came before is kept from it. */
  si(...args: Args): Signature<Result> {
    return new Signature({ ...this.#parts(args), immutable: true })
  }

  /** A call of the task to be made later, with keyword arguments and options too. */
  signature(
    args: Suffix<Args> | readonly unknown[] = [],
    kwargs: Kwargs = NO_KWARGS,
    options: TaskOptions = {},
  ): Signature<Result> {
    return new Signature({ ...this.#parts(args), kwargs, options })
  }

  /** One task of a worker that calls this one for each item, one after the other; its result is the list of theirs. */
  map(items: readonly unknown[]): Signature<Result[]> {
    return mapped('celery.map', this.signature(), items)
  }

  /** The same with items that are arrays of arguments. */
  starmap(items: readonly Args[]): Signature<Result[]> {
    return mapped('celery.starmap', this.signature(), items)
  }

  /**
   * The items, arrays of arguments, in parts of so many, each part a {@link starmap}: fewer messages than a group of as
   * many tasks.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK when `size` is no integer of 1 or more.
   */
  chunks(items: readonly Args[], size: number): Group<Result[]> {
    return chunked(this.signature(), items, size)
  }

  /**
   * Sends the task once for each item, in one write. Resolves when each has its outcome, in the order of the
   * items: an item's error is the one that its own publish would have had.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK when `items` is no array, and for nothing else.
   */
  delayMany(items: readonly CallItem<Args, Named>[]): Promise<BatchOutcome<Result>[]> {
    return outcomes(items, (item) => {
      if (!Array.isArray(item)) throw notAnItem('an array of args and kwargs', item)
      const [args, kwargs = NO_KWARGS] = item
      return this.#sender.send(this.#messages, args, kwargs as Kwargs) as Promise<AsyncResult<Result>>
    })
  }

  #parts(args: readonly unknown[]): SignatureParts {
    return { sender: this.#sender.canvas, messages: this.#messages, args, kwargs: NO_KWARGS }
  }
}

/** Sends all items of a batch; what each one's sending throws or rejects with is its outcome. */
export function outcomes<Item, Result>(
  items: readonly Item[],
  send: (item: Item) => Promise<AsyncResult<Result>>,
): Promise<BatchOutcome<Result>[]> {
  if (!Array.isArray(items)) return quiet(Promise.reject(notAnItem('an array of calls', items)))
  return Promise.all(
    items.map((item) => {
      return rejecting(() => send(item)).then(
        (result) => ({ status: 'confirmed', result }) as const,
        (error: Error) => ({ status: 'rejected', error }) as const,
      )
    }),
  )
}

export function notAnItem(expected: string, given: unknown): PooledProducerError {
  const text = `a batch must be ${expected}, got ${describe(given)}`
  return new PooledProducerError('ERR_INVALID_TASK', text, { outcome: 'not-sent' })
}
