import type { PooledProducerError } from '../errors.ts'
import type { Producer } from '../pool/producer.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { CloseReport } from '../pool/shutdown.ts'
import { chainAsLinks } from './canvas/chain-links.ts'
import type { CanvasSender } from './canvas/plan.ts'
import { type PlanTools, runPlan } from './canvas/plan-runner.ts'
import { Signature } from './canvas/signature.ts'
import { signaturePlace } from './canvas/signature-options.ts'
import { type CeleryOptions, celeryParts } from './celery-options.ts'
import { Control } from './control/control.ts'
import { MessageMaker } from './message-maker.ts'
import { nonEmptyText } from './options/option-rules.ts'
import type { TaskOptions } from './options/task-option-values.ts'
import { taskName, taskOptions } from './options/task-options.ts'
import { type CeleryEvents, PublishHooks, type SendingWrapper } from './publish-hooks.ts'
import { AsyncResult } from './results/async-result.ts'
import { openBackend } from './results/open-backend.ts'
import type { ResultBackend, ResultStats } from './results/result-backend.ts'
import { type BatchOutcome, type Kwargs, notAnItem, outcomes, Task, type TaskSender } from './task.ts'
import type { TaskDraft } from './task-draft.ts'
import type { TaskMessages } from './task-messages.ts'
import { TaskSentEvents } from './task-sent-events.ts'
import type { AnyName, AnyTasks, CallOf, KnownName, ResultOf, TaskCall, TaskOf, TaskTypes } from './task-types.ts'

/**
 * Sends Celery tasks through a pool of kept channels. See {@link createCelery}. `Tasks` says what is known of
 * the tasks at compile time; without it any name goes.
 */
export class Celery<Tasks = AnyTasks> implements AsyncDisposable {
  readonly pool: ProducerPool
  /** Commands to the workers: `revoke`, `ping`, `inspect` and the others. */
  readonly control: Control
  readonly #ownsPool: boolean
  readonly #results: ResultBackend
  readonly #protocol: 1 | 2
  readonly #maker: MessageMaker
  readonly #sentEvents: TaskSentEvents | undefined
  /** Undefined: nobody listens, and nothing is paid for it. */
  #hooks: PublishHooks | undefined
  readonly #canvas: CanvasSender = {
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
    prepared: ({ messages, args, kwargs, options: planned }) => {
      const options = this.#protocol === 1 ? chainAsLinks(planned, messages.place.own) : planned
      const own = this.#routed(messages, options, args, kwargs)
      own.check(args, kwargs)
      return () => this.#send(own, args, kwargs)
    },
    refuse: (error, task) => this.pool.refuse(error as PooledProducerError, task),
    resultOf: (taskId, parent) => new AsyncResult(taskId, this.#results, parent),
  }
  readonly #sender: TaskSender = {
    send: (messages, args, kwargs) => this.#send(messages, args, kwargs),
    sendWith: (base, args, kwargs, options) => this.#sendWith(base, args, kwargs, options),
    canvas: this.#canvas,
  }
  /** For tasks that a function of `taskRoutes` looks at. */
  readonly #askingSender: TaskSender = {
    send: (messages, args, kwargs) => this.#askAndSend(messages, args, kwargs),
    sendWith: (base, args, kwargs, options) => this.#askAndSend(base, args, kwargs, options),
    canvas: this.#canvas,
  }

  constructor(options: CeleryOptions = {}) {
    const parts = celeryParts(options)
    this.pool = parts.pool
    this.#ownsPool = parts.ownsPool
    this.#protocol = parts.options.taskProtocol
    this.control = new Control(parts.pool, parts.options.controlExchange)
    this.#results = openBackend(parts.options.results, parts.pool)
    this.#maker = new MessageMaker(parts, this.#results)
    if (parts.options.taskSendSentEvent) this.#sentEvents = new TaskSentEvents(parts.pool)
  }

  /**
   * A task by its name. The options hold for all its calls; `mandatory: true` and `declare: true` are the
   * defaults.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names the option, the value and what was expected.
   */
  createTask<Name extends KnownName<Tasks>>(name: Name, options?: TaskOptions): TaskOf<Tasks[Name]>
  createTask<Args extends readonly unknown[] = readonly unknown[], Result = unknown>(
    name: AnyName<Tasks>,
    options?: TaskOptions,
  ): Task<Args, Result>
  createTask(name: string, options: TaskOptions = {}): unknown {
    const checked = taskName(name)
    return new Task(this.#maker.of(checked, taskOptions(options)), this.#senderOf(checked))
  }

  /**
   * Sends a task by its name. Resolves once the broker has confirmed it.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK, and all that `pool.publish` rejects with.
   */
  sendTask<Name extends KnownName<Tasks>>(
    name: Name,
    ...call: CallOf<Tasks[Name]>
  ): Promise<AsyncResult<ResultOf<Tasks[Name]>>>
  sendTask(
    name: AnyName<Tasks>,
    args?: readonly unknown[],
    kwargs?: Kwargs,
    options?: TaskOptions,
  ): Promise<AsyncResult>
  sendTask(name: string, args: unknown = [], kwargs: unknown = {}, options: TaskOptions = {}): Promise<AsyncResult> {
    return this.#sendByName(name, args, kwargs, options)
  }

  #sendByName(name: string, args: unknown, kwargs: unknown, options: TaskOptions): Promise<AsyncResult> {
    return this.#guarded(name, () => {
      return this.#senderOf(name).sendWith(this.#maker.named(name), args, kwargs, options) as Promise<AsyncResult>
    })
  }

  /**
   * Sends many tasks in one write. Resolves with each one's outcome, in order.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK when `calls` is no array, and for nothing else.
   */
  sendTasks(calls: readonly TaskCall<Tasks>[]): Promise<BatchOutcome[]> {
    return outcomes(calls, (call) => {
      if (typeof call !== 'object' || call === null) throw notAnItem('objects with a name and args', call)
      const { name, args = [], kwargs = {}, options = {} } = call as TaskCall
      return this.#sendByName(name, args, kwargs, options)
    })
  }

  /**
   * The result of a task by its id. With `rpc://` only the app that has sent the task gets it.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK when the id is none.
   */
  asyncResult<Result = unknown>(taskId: string): AsyncResult<Result> {
    return new AsyncResult(nonEmptyText('the id of a task', taskId), this.#results, undefined, this.control)
  }

  /** Numbers of the results that have come, and of those that are waited for. */
  resultStats(): ResultStats {
    return this.#results.stats
  }

  /**
   * Calls the listener before or after each task is sent. One that throws is logged, no more. As long as
   * somebody listens, each message is encoded anew, which costs about as much as amqplib's own.
   *
   * @example
   * app.on('beforeTaskPublish', ({ headers }) => { headers.tenant = currentTenant() })
   *
   * @throws {PooledProducerError} ERR_INVALID_OPTION
   */
  on<E extends keyof CeleryEvents>(event: E, listener: (...args: CeleryEvents[E]) => void): this {
    const hooks = this.#hooks ?? new PublishHooks(this.pool)
    hooks.on(event, listener)
    this.#hooks = hooks
    return this
  }

  off<E extends keyof CeleryEvents>(event: E, listener: (...args: CeleryEvents[E]) => void): this {
    this.#hooks?.off(event, listener)
    if (this.#hooks?.isEmpty) this.#hooks = undefined
    return this
  }

  /**
   * A call of a task by its name, to be made later, by itself or in a workflow.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names what could not be sent.
   */
  signature(name: string, args: readonly unknown[] = [], kwargs: Kwargs = {}, options: TaskOptions = {}): Signature {
    return new Signature({ sender: this.#canvas, messages: this.#maker.named(name), args, kwargs, options })
  }

  /** @internal Sends each task inside a wrapper, of which there can be one; gives a function that takes it off. */
  wrapSending(wrapper: SendingWrapper): () => void {
    const hooks = this.#hooks ?? new PublishHooks(this.pool)
    hooks.wrap(wrapper)
    this.#hooks = hooks
    return () => {
      hooks.unwrap()
      if (hooks.isEmpty) this.#hooks = undefined
    }
  }

  /**
   * Closes the pool, if it is the app's own, and gives its report; another's pool is left open. Who still waits for a
   * result then waits in vain, and is told so.
   */
  async close(options?: { timeoutMs?: number }): Promise<CloseReport | undefined> {
    const report = this.#ownsPool ? await this.pool.close(options) : undefined
    await this.#results.close()
    await this.control.close()
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #senderOf(name: string): TaskSender {
    return this.#maker.isRoutedPerCall(name) ? this.#askingSender : this.#sender
  }

  #sendWith(base: TaskMessages, args: unknown, kwargs: unknown, options: TaskOptions): Promise<AsyncResult> {
    return this.#guarded(base.name, () => {
      return this.#send(this.#maker.ofCall(base, options), args as readonly unknown[], kwargs as Kwargs)
    })
  }

  #askAndSend(base: TaskMessages, args: unknown, kwargs: unknown, options?: TaskOptions): Promise<AsyncResult> {
    return this.#guarded(base.name, () => {
      const messages = this.#routed(base, options ?? {}, args as readonly unknown[], kwargs as Kwargs)
      return this.#send(messages, args as readonly unknown[], kwargs as Kwargs)
    })
  }

  /** The messages of a call, by its options and what functions of `taskRoutes` say. */
  #routed(base: TaskMessages, options: TaskOptions, args: readonly unknown[], kwargs: Kwargs): TaskMessages {
    const own = this.#maker.ofCall(base, options)
    return this.#maker.isRoutedPerCall(base.name) ? this.#maker.asked(own, args, kwargs) : own
  }

  #send(messages: TaskMessages, args: readonly unknown[], kwargs: Kwargs): Promise<AsyncResult> {
    const id = messages.nextId()
    const hooks = this.#hooks
    if (hooks === undefined) return this.#publish(messages, id, args, kwargs)
    try {
      const draft = messages.draft(id, args, kwargs)
      hooks.emit('beforeTaskPublish', draft)
      return hooks.send(draft, () => this.#publish(messages, id, args, kwargs, draft))
    } catch (error) {
      return this.pool.refuse(error as PooledProducerError, messages.name, id)
    }
  }

  #publish(
    messages: TaskMessages,
    id: string,
    args: readonly unknown[],
    kwargs: Kwargs,
    draft?: TaskDraft,
  ): Promise<AsyncResult> {
    try {
      const prepared = draft === undefined ? messages.prepare(id, args, kwargs) : messages.sealed(draft)
      const publisher = (messages.options.producer as Producer | undefined) ?? this.pool
      const { publishOptions, declaration } = messages
      const result = new AsyncResult(id, messages.results, undefined, this.control)
      const sending = publisher.send(prepared, result, publishOptions, declaration) as Promise<AsyncResult>
      this.#sentEvents?.send(messages, id, args, kwargs, prepared)
      return sending
    } catch (error) {
      return this.pool.refuse(error as PooledProducerError, messages.name, id)
    }
  }

  /** What is wrong with a call rejects it, and is logged and counted like a publish that failed. */
  #guarded(name: string, send: () => Promise<AsyncResult>): Promise<AsyncResult> {
    try {
      return send()
    } catch (error) {
      return this.pool.refuse(error as PooledProducerError, name)
    }
  }
}

/**
 * The complete Celery producer on a pool of kept channels.
 *
 * @example
 * const app = createCelery({ broker: 'amqp://127.0.0.1' })
 * const add = app.createTask<[number, number], number>('tasks.add', { queue: 'math' })
 * await add.delay(2, 3)
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function createCelery<Tasks extends TaskTypes<Tasks> = AnyTasks>(options: CeleryOptions = {}): Celery<Tasks> {
  return new Celery(options)
}
