import type { PooledProducerError } from '../errors.ts'
import type { Producer } from '../pool/producer.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import { type CeleryOptions, celeryParts, type EffectiveAppOptions } from './celery-options.ts'
import { Serializers } from './message/serializers.ts'
import { type CheckedTaskOptions, DEFAULT_TASK_OPTIONS, type TaskOptions } from './options/task-option-values.ts'
import { taskName, taskOptions } from './options/task-options.ts'
import { AsyncResult } from './results/async-result.ts'
import { destinationOf } from './routing/destination.ts'
import { QueueDeclaration } from './routing/queue-declaration.ts'
import { type BatchOutcome, type Kwargs, notAnItem, outcomes, Task, type TaskSender } from './task.ts'
import { PER_CALL, TaskMessages } from './task-messages.ts'

/** One task of `sendTasks`. */
export interface TaskCall {
  readonly name: string
  readonly args?: readonly unknown[]
  readonly kwargs?: Kwargs
  readonly options?: TaskOptions
}

/** Sends Celery tasks through a pool of kept channels. See {@link createCelery}. */
export class Celery implements AsyncDisposable {
  readonly pool: ProducerPool
  readonly #ownsPool: boolean
  readonly #options: EffectiveAppOptions
  readonly #queues = new Map<string, QueueDeclaration>()
  readonly #serializers = new Serializers()
  /** For `sendTask`: the messages of each name without options. */
  readonly #plain = new Map<string, TaskMessages>()
  readonly #sender: TaskSender = {
    send: (messages, args, kwargs) => this.#send(messages, args, kwargs),
    sendWith: (name, base, args, kwargs, options) => this.#sendWith(name, base, args, kwargs, options),
  }

  constructor(options: CeleryOptions = {}) {
    const parts = celeryParts(options)
    this.pool = parts.pool
    this.#ownsPool = parts.ownsPool
    this.#options = parts.options
  }

  /**
   * A task by its name. The options hold for all its calls; `mandatory: true` and `declare: true` are the
   * defaults.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names the option, the value and what was expected.
   */
  createTask<Args extends readonly unknown[] = readonly unknown[], Result = unknown>(
    name: string,
    options: TaskOptions = {},
  ): Task<Args, Result> {
    const checked = taskName(name)
    return new Task(checked, this.#messages(checked, taskOptions(options)), this.#sender)
  }

  /**
   * Sends a task by its name. Resolves once the broker has confirmed it.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK, and all that `pool.publish` rejects with.
   */
  sendTask(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Kwargs = {},
    options: TaskOptions = {},
  ): Promise<AsyncResult> {
    return this.#guarded(name, () => this.#sendWith(name, this.#named(name), args, kwargs, options))
  }

  /**
   * Sends many tasks in one write. Resolves with each one's outcome, in order.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_TASK when `calls` is no array, and for nothing else.
   */
  sendTasks(calls: readonly TaskCall[]): Promise<BatchOutcome[]> {
    return outcomes(calls, (call) => {
      if (typeof call !== 'object' || call === null) throw notAnItem('objects with a name and args', call)
      const { name, args, kwargs, options } = call
      return this.sendTask(name, args, kwargs, options)
    })
  }

  /** Closes the pool, if it is the app's own. */
  async close(options?: { timeoutMs?: number }): Promise<void> {
    if (this.#ownsPool) await this.pool.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #named(name: string): TaskMessages {
    let messages = this.#plain.get(name)
    if (messages === undefined) {
      messages = this.#messages(taskName(name), DEFAULT_TASK_OPTIONS)
      // Names come from code, but nothing says so: a bound keeps made-up ones from piling up.
      if (this.#plain.size >= MOST_NAMES) this.#plain.clear()
      this.#plain.set(name, messages)
    }
    return messages
  }

  #messages(name: string, options: CheckedTaskOptions): TaskMessages {
    const destination = destinationOf(options, this.#options.taskDefaultQueue)
    const { queue } = destination
    const declaration = options.declare && queue !== undefined ? this.#queue(queue) : undefined
    const serializer = this.#serializers.get(options.serializer ?? this.#options.taskSerializer)
    return new TaskMessages(name, options, destination, declaration, serializer)
  }

  #messagesFor(name: string, base: TaskMessages, checked: CheckedTaskOptions, options: TaskOptions): TaskMessages {
    if (checked === base.options) return base
    const isSameMessage = Object.keys(options).every((key) => PER_CALL.has(key))
    return isSameMessage ? base.for(checked) : this.#messages(name, checked)
  }

  #queue(name: string): QueueDeclaration {
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = new QueueDeclaration(name)
      this.#queues.set(name, queue)
    }
    return queue
  }

  #sendWith(
    name: string,
    base: TaskMessages,
    args: unknown,
    kwargs: unknown,
    options: TaskOptions,
  ): Promise<AsyncResult> {
    return this.#guarded(name, () => {
      const checked = taskOptions(options, base.options)
      return this.#send(this.#messagesFor(name, base, checked, options), args as readonly unknown[], kwargs as Kwargs)
    })
  }

  #send(messages: TaskMessages, args: readonly unknown[], kwargs: Kwargs): Promise<AsyncResult> {
    const id = messages.nextId()
    try {
      const prepared = messages.prepare(id, args, kwargs)
      const publisher = (messages.options.producer as Producer | undefined) ?? this.pool
      const { publishOptions, declaration } = messages
      return publisher.send(prepared, new AsyncResult(id), publishOptions, declaration) as Promise<AsyncResult>
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

/** Names whose messages `sendTask` keeps encoded. */
const MOST_NAMES = 10_000

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
export function createCelery(options: CeleryOptions = {}): Celery {
  return new Celery(options)
}
