import type { ProducerPool } from '../pool/producer-pool.ts'
import type { CloseReport } from '../pool/shutdown.ts'
import { AppSender } from './app-sender.ts'
import { Signature } from './canvas/signature.ts'
import { type CeleryOptions, celeryParts } from './celery-options.ts'
import { Control } from './control/control.ts'
import { MessageMaker } from './message-maker.ts'
import { nonEmptyText } from './options/option-rules.ts'
import type { TaskOptions } from './options/task-option-values.ts'
import { taskName, taskOptions } from './options/task-options.ts'
import type { CeleryEvents, SendingWrapper } from './publish-hooks.ts'
import { AsyncResult } from './results/async-result.ts'
import { openBackend } from './results/open-backend.ts'
import type { ResultBackend, ResultStats } from './results/result-backend.ts'
import { type BatchOutcome, type Kwargs, notAnItem, outcomes, Task } from './task.ts'
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
  readonly #maker: MessageMaker
  readonly #sender: AppSender

  constructor(options: CeleryOptions = {}) {
    const parts = celeryParts(options)
    this.pool = parts.pool
    this.#ownsPool = parts.ownsPool
    this.control = new Control(parts.pool, parts.options.controlExchange)
    this.#results = openBackend(parts.options.results, parts.pool)
    this.#maker = new MessageMaker(parts, this.#results, this.control)
    this.#sender = new AppSender(parts, this.#maker, this.#results, this.control)
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
    return new Task(this.#maker.of(checked, taskOptions(options)), this.#sender.of(checked))
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
    return this.#sender.sendNamed(name, args, kwargs, options)
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
      return this.#sender.sendNamed(name, args, kwargs, options)
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
    this.#sender.on(event, listener)
    return this
  }

  off<E extends keyof CeleryEvents>(event: E, listener: (...args: CeleryEvents[E]) => void): this {
    this.#sender.off(event, listener)
    return this
  }

  /**
   * A call of a task by its name, to be made later, by itself or in a workflow.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names what could not be sent.
   */
  signature(name: string, args: readonly unknown[] = [], kwargs: Kwargs = {}, options: TaskOptions = {}): Signature {
    return new Signature({ sender: this.#sender.canvas, messages: this.#maker.named(name), args, kwargs, options })
  }

  /** @internal Sends each task inside a wrapper, of which there can be one; gives a function that takes it off. */
  wrapSending(wrapper: SendingWrapper): () => void {
    return this.#sender.wrap(wrapper)
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
