import type { Celery } from '../../celery/celery.ts'
import type { TaskOptions } from '../../celery/options/task-option-values.ts'
import type { AsyncResult } from '../../celery/results/async-result.ts'
import type { Kwargs, Task } from '../../celery/task.ts'
import { type PooledProducerError, quiet } from '../../errors.ts'
import type { Logger } from '../../options.ts'
import { isPlainObject } from '../../plain-object.ts'
import { requestFailure } from './request-failure.ts'

/** The log of one request: a child of the server's logger that holds the request's id. */
export type RequestLog = Pick<Logger, 'warn'>

/**
 * Sends the tasks of one HTTP request. A publish is given up when the client goes away; one that fails is logged
 * with the request's id, and its error carries the reply that fits it (`statusCode`, `headers`), which Fastify's and
 * Express's own error handling sends: 503 with Retry-After when the same request can work later.
 */
export class RequestTasks {
  /** Aborted when the client goes away before it has its reply. */
  readonly signal: AbortSignal
  readonly #app: Celery
  readonly #log: RequestLog | undefined

  constructor(app: Celery, signal: AbortSignal, log: RequestLog | undefined) {
    this.#app = app
    this.signal = signal
    this.#log = log
  }

  /**
   * As `task.delay(...args)`.
   *
   * @throws {PooledProducerError} rejects with all that `task.delay` rejects with, and ERR_ABORTED.
   */
  delay<Args extends readonly unknown[], Result>(
    task: Task<Args, Result>,
    ...args: Args
  ): Promise<AsyncResult<Result>> {
    return this.applyAsync(task, args)
  }

  /** As `task.applyAsync(args, kwargs, options)`; a signal among the options ends the publish too. */
  applyAsync<Args extends readonly unknown[], Result>(
    task: Task<Args, Result>,
    args: Args,
    kwargs: Kwargs = {},
    options: TaskOptions = {},
  ): Promise<AsyncResult<Result>> {
    return this.#told(task.name, task.applyAsync(args, kwargs, this.#bounded(options)))
  }

  /** As `app.sendTask(name, args, kwargs, options)`; a signal among the options ends the publish too. */
  sendTask(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Kwargs = {},
    options: TaskOptions = {},
  ): Promise<AsyncResult> {
    return this.#told(name, this.#app.sendTask(name, args, kwargs, this.#bounded(options)))
  }

  /** Options that are none go on as they are: who takes them says what is wrong. */
  #bounded(options: TaskOptions): TaskOptions {
    if (!isPlainObject(options)) return options
    // As among all options, null is as good as absent.
    const signal = options.signal ?? undefined
    if (signal === undefined) return { ...options, signal: this.signal }
    return signal instanceof AbortSignal ? { ...options, signal: AbortSignal.any([signal, this.signal]) } : options
  }

  #told<T>(task: string, sending: Promise<T>): Promise<T> {
    const told = sending.catch((error: PooledProducerError) => {
      const { code, outcome, taskId } = error
      this.#log?.warn({ event: 'request.task', task, taskId, code, outcome }, `${task} was not sent: ${error.message}`)
      throw Object.assign(error, requestFailure(error))
    })
    // As with delay(): a failure that nobody awaits does not end the process.
    return quiet(told)
  }
}
