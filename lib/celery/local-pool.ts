import { brotliDecompressSync, inflateSync } from 'node:zlib'
import { asError, PooledProducerError, quiet } from '../errors.ts'
import { EventHub } from '../observe/event-hub.ts'
import { EventLog } from '../observe/log.ts'
import { type EffectivePoolOptions, poolOptions } from '../options.ts'
import { POOL_EVENTS, type PoolEvents } from '../pool/pool-events.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { Prepared, ResultMaker } from '../pool/publish-request.ts'
import { type CloseReport, closedPool } from '../pool/shutdown.ts'
import { Counters, figuresOf, type PoolState, type PoolStats } from '../pool/stats.ts'
import { MemoryResults } from './results/memory-results.ts'

/** Does in this process what a worker would do. What it gives, or resolves with, is the task's result. */
export type TaskHandler = (args: unknown[], kwargs: Record<string, unknown>, task: LocalTask) => unknown

/** A task as its message carries it. */
export interface LocalTask {
  readonly name: string
  readonly taskId: string
  /** The arguments as a worker reads them; empty where the body is not JSON. */
  readonly args: unknown[]
  readonly kwargs: Record<string, unknown>
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory: boolean
  /** The message's headers, Celery's own and the caller's. */
  readonly headers: Readonly<Record<string, unknown>>
  /** The message's other properties, under amqplib's names. */
  readonly properties: Readonly<Record<string, unknown>>
  /** What would be written, compressed if it is to be. */
  readonly body: Buffer
}

/** All that others know of a pool; `on` and `off` give the pool itself, which this is not. */
type PoolFace = Omit<ProducerPool, 'on' | 'off'>

/**
 * Stands in the place of a pool where nothing goes to a broker: each message is made as it would be sent, and
 * its task runs here, if there is a handler for it. A server asks of it, and closes it, as it does a pool.
 */
export class LocalPool implements PoolFace {
  readonly results: MemoryResults = new MemoryResults()
  readonly counters: Counters = new Counters()
  readonly options: EffectivePoolOptions = { ...poolOptions({ name: 'local', logger: false }), broker: [] }
  readonly #handlers: ReadonlyMap<string, TaskHandler>
  readonly #isComplete: boolean
  readonly #taken: (task: LocalTask) => void
  readonly #events = new EventHub<PoolEvents>(new EventLog(false, 'local'), 'a pool', POOL_EVENTS)
  #isClosed = false

  /**
   * @param isComplete whether a task without a handler fails, as at a worker that does not know it.
   * @param taken told of each task before it runs; what it throws the publish rejects with.
   */
  constructor(
    handlers: ReadonlyMap<string, TaskHandler>,
    isComplete: boolean,
    taken: (task: LocalTask) => void = () => {},
  ) {
    this.#handlers = handlers
    this.#isComplete = isComplete
    this.#taken = taken
  }

  get state(): PoolState {
    return this.#isClosed ? 'closed' : 'open'
  }

  /** Resolves when the task has run. */
  send(prepared: Prepared, results: ResultMaker | undefined): Promise<unknown> {
    return quiet(this.#run(prepared, results))
  }

  refuse(error: PooledProducerError, _task?: string, taskId?: string): Promise<never> {
    if (taskId !== undefined) Object.assign(error, { taskId })
    return quiet(Promise.reject(error))
  }

  acquire(): Promise<never> {
    return quiet(Promise.reject(noBroker()))
  }

  use(): Promise<never> {
    return this.acquire()
  }

  publish(): Promise<never> {
    return this.acquire()
  }

  release(): never {
    throw new PooledProducerError('ERR_NOT_LEASED', 'nothing is leased from a pool without a broker')
  }

  subscribe(): never {
    throw noBroker()
  }

  /** Nothing happens here that a pool tells its listeners, but for its close. */
  on<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#events.on(event, listener)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#events.off(event, listener)
    return this
  }

  stats(): PoolStats {
    const none = { connections: 0, channels: 0, leased: 0, idle: 0, waiting: 0, inFlight: 0, bufferedBytes: 0 }
    return { state: this.state, ...none, ...figuresOf(this.counters) }
  }

  async ready(): Promise<void> {}

  async drain(): Promise<void> {}

  async close(): Promise<CloseReport> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#events.emit('close')
    }
    return { confirmed: 0, unknown: [], notSent: [] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(prepared: Prepared, results: ResultMaker | undefined): Promise<unknown> {
    const task = taskOf(prepared)
    // Without one it is a command or an event, which nobody hears.
    if (task === undefined) return undefined
    this.counters.publishes++
    try {
      if (this.#isClosed) throw closedPool('the pool is closed')
      if (this.#handlers.has(task.name)) checkReadable(task)
      this.#taken(task)
    } catch (error) {
      this.counters.countFailure((error as PooledProducerError).code)
      throw error
    }
    this.counters.confirms++
    const handler = this.#handlers.get(task.name)
    if (handler !== undefined) await this.#handle(handler, task)
    else if (this.#isComplete) this.results.fail(task.taskId, notRegistered(task.name))
    return results?.resultOf(task.taskId)
  }

  async #handle(handler: TaskHandler, task: LocalTask): Promise<void> {
    try {
      const value = await handler(task.args, task.kwargs, task)
      // As a worker would send it.
      this.results.succeed(task.taskId, JSON.parse(JSON.stringify(value ?? null)))
    } catch (error) {
      this.results.fail(task.taskId, asError(error))
    }
  }
}

function taskOf(prepared: Prepared): LocalTask | undefined {
  const [exchange, routingKey, body, options] = prepared.template.publishArguments(prepared)
  const { headers = {}, mandatory, ...properties } = options as Record<string, Record<string, unknown>>
  const content = contentOf(body, headers.compression, properties.contentType)
  const table = Array.isArray(content) || content === undefined ? {} : (content as Record<string, unknown>)
  const [args, kwargs] = Array.isArray(content) ? content : [table.args, table.kwargs]
  const name = headers.task ?? table.task
  const taskId = headers.id ?? table.id
  if (typeof name !== 'string' || typeof taskId !== 'string') return undefined
  const route = { exchange, routingKey, mandatory: mandatory as unknown as boolean }
  return { name, taskId, args: args ?? [], kwargs: kwargs ?? {}, ...route, headers, properties, body }
}

/** The compressions of a body that can be read here. */
const READ: readonly unknown[] = [undefined, 'application/x-gzip', 'application/x-brotli']

/** @throws {PooledProducerError} ERR_INVALID_TASK when a handler would get no arguments. */
function checkReadable({ name, headers, properties }: LocalTask): void {
  const { contentType } = properties
  if (contentType === 'application/json' && READ.includes(headers.compression)) return
  const written = contentType === 'application/json' ? headers.compression : contentType
  const text = `the handler of ${name} gets its arguments from JSON, plain or by gzip or brotli, not from ${written}`
  throw new PooledProducerError('ERR_INVALID_TASK', text, { outcome: 'not-sent' })
}

function contentOf(body: Buffer, compression: unknown, contentType: unknown): unknown {
  if (contentType !== 'application/json') return undefined
  if (compression === 'application/x-gzip') return JSON.parse(inflateSync(body).toString())
  if (compression === 'application/x-brotli') return JSON.parse(brotliDecompressSync(body).toString())
  return compression === undefined ? JSON.parse(body.toString()) : undefined
}

function notRegistered(name: string): Error {
  return Object.assign(new Error(name), { name: 'NotRegistered' })
}

function noBroker(): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', 'there is no broker here: tasks run in this process')
}
