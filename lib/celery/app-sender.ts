import type { PooledProducerError } from '../errors.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import { chainAsLinks } from './canvas/chain-links.ts'
import type { CanvasSender } from './canvas/plan.ts'
import { type PlanTools, runPlan } from './canvas/plan-runner.ts'
import { signaturePlace } from './canvas/signature-options.ts'
import type { CeleryParts } from './celery-options.ts'
import type { Control } from './control/control.ts'
import type { MessageMaker } from './message-maker.ts'
import { DEFAULT_TASK_OPTIONS, type TaskOptions } from './options/task-option-values.ts'
import { type CeleryEvents, PublishHooks, type SendingWrapper } from './publish-hooks.ts'
import { AsyncResult } from './results/async-result.ts'
import { resultsOf } from './results/no-results.ts'
import type { ResultBackend } from './results/result-backend.ts'
import type { Kwargs, TaskSender } from './task.ts'
import type { TaskDraft } from './task-draft.ts'
import type { TaskMessages } from './task-messages.ts'
import { TaskSentEvents } from './task-sent-events.ts'

/** Sends the tasks of an app, one by one and in workflows. */
export class AppSender implements TaskSender {
  readonly #pool: ProducerPool
  readonly #protocol: 1 | 2
  readonly #maker: MessageMaker
  readonly #results: ResultBackend
  readonly #control: Control
  readonly #sentEvents: TaskSentEvents | undefined
  /** Undefined: nobody listens, and nothing is paid for it. */
  #hooks: PublishHooks | undefined
  readonly canvas: CanvasSender = {
    named: (task) => this.#maker.named(task),
    placed: (messages, options, args, kwargs) => {
      return signaturePlace(this.#routed(messages, options, args, kwargs).place)
    },
    run: (draw) => runPlan(draw, this.#planTools),
  }
  readonly #planTools: PlanTools = {
    replyTo: () => this.#results.replyTo,
    // A message of version 1 has no certain place for where a task stands in its group, and thus in the list of results.
    chordStarter: () => {
      const { chordStarter } = this.#results
      return this.#protocol === 1 && chordStarter !== undefined ? 'worker' : chordStarter
    },
    prepared: ({ messages, args, kwargs, options: planned, result }) => {
      const options = this.#protocol === 1 ? chainAsLinks(planned, messages.place.own) : planned
      const own = this.#routed(messages, options, args, kwargs)
      own.check(args, kwargs)
      result.options = own.options
      return () => this.send(own, args, kwargs)
    },
    refuse: (error, task) => this.#pool.refuse(error as PooledProducerError, task),
    resultOf: ({ id, options = DEFAULT_TASK_OPTIONS }, parent) => {
      return new AsyncResult(id, resultsOf(options, this.#results), parent, this.#control)
    },
  }
  /** For tasks that a function of `taskRoutes` looks at. */
  readonly #asking: TaskSender = {
    send: (messages, args, kwargs) => this.#askAndSend(messages, args, kwargs),
    sendWith: (base, args, kwargs, options) => this.#askAndSend(base, args, kwargs, options),
    canvas: this.canvas,
  }

  constructor(
    { pool, options }: Pick<CeleryParts, 'pool' | 'options'>,
    maker: MessageMaker,
    results: ResultBackend,
    control: Control,
  ) {
    this.#pool = pool
    this.#protocol = options.taskProtocol
    this.#maker = maker
    this.#results = results
    this.#control = control
    if (options.taskSendSentEvent) this.#sentEvents = new TaskSentEvents(pool)
  }

  /** The sender for the tasks of a name. */
  of(name: string): TaskSender {
    return this.#maker.isRoutedPerCall(name) ? this.#asking : this
  }

  /** Sends a task by its name, which may be none. */
  sendNamed(name: string, args: unknown, kwargs: unknown, options: TaskOptions): Promise<AsyncResult> {
    return this.#guarded(name, () => {
      return this.of(name).sendWith(this.#maker.named(name), args, kwargs, options) as Promise<AsyncResult>
    })
  }

  send(messages: TaskMessages, args: readonly unknown[], kwargs: Kwargs): Promise<AsyncResult> {
    const id = messages.nextId()
    const hooks = this.#hooks
    if (hooks === undefined) return this.#publish(messages, id, args, kwargs)
    try {
      const draft = messages.draft(id, args, kwargs)
      hooks.emit('beforeTaskPublish', draft)
      return hooks.send(draft, () => this.#publish(messages, id, args, kwargs, draft))
    } catch (error) {
      return this.#pool.refuse(error as PooledProducerError, messages.name, id)
    }
  }

  sendWith(base: TaskMessages, args: unknown, kwargs: unknown, options: TaskOptions): Promise<AsyncResult> {
    return this.#guarded(base.name, () => {
      return this.send(this.#maker.ofCall(base, options), args as readonly unknown[], kwargs as Kwargs)
    })
  }

  /** @throws {PooledProducerError} ERR_INVALID_OPTION */
  on<E extends keyof CeleryEvents>(event: E, listener: (...args: CeleryEvents[E]) => void): void {
    const hooks = this.#hooks ?? new PublishHooks(this.#pool)
    hooks.on(event, listener)
    this.#hooks = hooks
  }

  off<E extends keyof CeleryEvents>(event: E, listener: (...args: CeleryEvents[E]) => void): void {
    this.#hooks?.off(event, listener)
    if (this.#hooks?.isEmpty) this.#hooks = undefined
  }

  /** Sends each task inside a wrapper, of which there can be one; gives a function that takes it off. */
  wrap(wrapper: SendingWrapper): () => void {
    const hooks = this.#hooks ?? new PublishHooks(this.#pool)
    hooks.wrap(wrapper)
    this.#hooks = hooks
    return () => {
      hooks.unwrap()
      if (hooks.isEmpty) this.#hooks = undefined
    }
  }

  #askAndSend(base: TaskMessages, args: unknown, kwargs: unknown, options?: TaskOptions): Promise<AsyncResult> {
    return this.#guarded(base.name, () => {
      const messages = this.#routed(base, options ?? {}, args as readonly unknown[], kwargs as Kwargs)
      return this.send(messages, args as readonly unknown[], kwargs as Kwargs)
    })
  }

  /** The messages of a call, by its options and what functions of `taskRoutes` say. */
  #routed(base: TaskMessages, options: TaskOptions, args: readonly unknown[], kwargs: Kwargs): TaskMessages {
    const own = this.#maker.ofCall(base, options)
    return this.#maker.isRoutedPerCall(base.name) ? this.#maker.asked(own, args, kwargs) : own
  }

  #publish(
    messages: TaskMessages,
    id: string,
    args: readonly unknown[],
    kwargs: Kwargs,
    draft?: TaskDraft,
  ): Promise<AsyncResult> {
    try {
      const prepared = draft === undefined ? messages.prepare(id, args, kwargs) : messages.sealed(id, draft)
      const { options, publishOptions, declaration } = messages
      const sending = this.#pool.send(prepared, messages.results, publishOptions, declaration, options.producer)
      this.#sentEvents?.send(messages, id, args, kwargs, prepared, sending)
      return sending as Promise<AsyncResult>
    } catch (error) {
      return this.#pool.refuse(error as PooledProducerError, messages.name, id)
    }
  }

  /** What is wrong with a call rejects it, and is logged and counted like a publish that failed. */
  #guarded(name: string, send: () => Promise<AsyncResult>): Promise<AsyncResult> {
    try {
      return send()
    } catch (error) {
      return this.#pool.refuse(error as PooledProducerError, name)
    }
  }
}
