import type { Message } from '../amqp/message.ts'
import { checkCallOptions } from '../call-options.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import { type EffectivePoolOptions, type PoolOptions, poolOptions } from '../options.ts'
import type { Declaration } from './declarations.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { AcquireOptions } from './leases.ts'
import type { Receipt } from './pending-publish.ts'
import type { PoolEvents } from './pool-events.ts'
import { PoolParts } from './pool-parts.ts'
import { prepare } from './prepared-message.ts'
import { Producer, rejecting } from './producer.ts'
import type { Prepared, PublishLimits, PublishOptions, ResultMaker } from './publish-request.ts'
import { type CloseReport, closedPool, shutDown } from './shutdown.ts'
import { type Counters, figuresOf, type PoolState, type PoolStats } from './stats.ts'
import type { Subscription, SubscriptionRequest } from './subscription.ts'
import { useLease } from './use-lease.ts'

/** Keeps confirm channels alive across publishes. See {@link createProducerPool}. */
export class ProducerPool implements AsyncDisposable {
  /** The options in force, defaults included. */
  readonly options: EffectivePoolOptions
  /** @internal What metrics read. */
  readonly counters: Counters
  readonly #parts: PoolParts
  /** Every publish asks for it: one step less than by way of the parts. */
  readonly #dispatcher: Dispatcher
  readonly #summaryTimer: NodeJS.Timeout | undefined
  #closing: Promise<CloseReport> | undefined
  #isClosed = false

  constructor(options: PoolOptions = {}) {
    this.options = poolOptions(options)
    this.#parts = new PoolParts(this.options, {
      isClosing: () => this.#closing !== undefined,
      stats: () => this.stats(),
    })
    this.counters = this.#parts.counters
    this.#dispatcher = this.#parts.dispatcher
    this.#parts.connections.connect()
    const { summaryIntervalMs } = this.options
    if (summaryIntervalMs > 0) this.#summaryTimer = setInterval(() => this.#summarise(), summaryIntervalMs).unref()
  }

  get state(): PoolState {
    if (this.#isClosed) return 'closed'
    return this.#closing === undefined ? this.#parts.connections.state : 'closing'
  }

  /**
   * Calls the listener at each event of this name. A listener that throws is logged, no more.
   *
   * @throws {PooledProducerError} ERR_INVALID_OPTION for an event that there is not, or what is no function.
   */
  on<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#parts.events.on(event, listener)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#parts.events.off(event, listener)
    return this
  }

  /**
   * Leases a channel, to be given back with `release`.
   *
   * @throws {PooledProducerError} rejects with ERR_ACQUIRE_TIMEOUT (its cause says why), ERR_POOL_EXHAUSTED,
   *   ERR_BROKER_UNAVAILABLE, _BLOCKED or _REFUSED, ERR_ABORTED, ERR_POOL_CLOSED or ERR_INVALID_OPTION.
   */
  acquire(options: AcquireOptions = {}): Promise<Producer> {
    const acquiring = this.#parts.leases.acquire(options)
    if (this.options.leaseWarnMs === 0) return quiet(acquiring)
    const takenAt = new Error('the lease was taken here')
    return quiet(
      acquiring.then((producer) => {
        this.#parts.leases.watch(producer, takenAt)
        return producer
      }),
    )
  }

  /**
   * Gives a leased channel back. What it published is still confirmed.
   *
   * @throws {PooledProducerError} ERR_NOT_LEASED when it is released already, or another pool's.
   */
  release(producer: Producer): void {
    this.#parts.leases.release(producer)
  }

  /** Runs a function with a leased producer, and releases it whatever comes of it. */
  use<T>(run: (producer: Producer) => Promise<T> | T, options: AcquireOptions = {}): Promise<T> {
    return useLease(this, run, options)
  }

  /**
   * Publishes a message without a lease in the caller's hands. Resolves once the broker has confirmed it.
   *
   * @throws {PooledProducerError} rejects, with an `outcome`: ERR_PUBLISH_TIMEOUT, ERR_BROKER_UNAVAILABLE,
   *   ERR_BROKER_BLOCKED, ERR_BROKER_REFUSED, ERR_CHANNEL_CLOSED, ERR_NACKED, ERR_UNROUTABLE,
   *   ERR_MESSAGE_TOO_LARGE, ERR_POOL_EXHAUSTED, ERR_POOL_CLOSED, ERR_ABORTED or ERR_INVALID_OPTION.
   */
  publish(message: Message, options?: PublishOptions): Promise<Receipt> {
    try {
      return this.send(prepare(message, options), undefined, options) as Promise<Receipt>
    } catch (error) {
      return this.refuse(error as PooledProducerError)
    }
  }

  /**
   * @internal Publishes what was checked already; resolves with a result, or with a receipt.
   *
   * @param lease the pool's own lease to publish on, or the pool itself.
   * @throws {PooledProducerError} ERR_PRODUCER_RELEASED, or ERR_NOT_LEASED for another's lease.
   */
  send(
    prepared: Prepared,
    results: ResultMaker | undefined,
    options?: PublishLimits,
    declaration?: Declaration,
    lease?: unknown,
  ): Promise<unknown> {
    if (lease === undefined || lease === this) return this.#dispatcher.submit(prepared, results, options, declaration)
    if (!(lease instanceof Producer) || !lease.isOf(this.#dispatcher)) {
      throw new PooledProducerError('ERR_NOT_LEASED', "this producer is another pool's", { outcome: 'not-sent' })
    }
    return lease.send(prepared, results, options, declaration)
  }

  /** @internal Rejects what is wrong before it is a publish; logged and counted as one that failed. */
  refuse(error: PooledProducerError, task?: string, taskId?: string): Promise<never> {
    return this.#parts.settlement.refuse(error, task, taskId)
  }

  /**
   * @internal Consumes from a queue, on a connection apart from those that publish, for as long as the pool
   * lives: declared and consumed once, and again after each loss.
   *
   * @throws {PooledProducerError} ERR_POOL_CLOSED
   */
  subscribe(request: SubscriptionRequest): Subscription {
    if (this.#closing !== undefined) throw closedPool('the pool is closed')
    return this.#parts.subscriptions.add(request)
  }

  /** Numbers of now and since the pool was made. */
  stats(): PoolStats {
    const { connections, factory, channels, leases, counters } = this.#parts
    return {
      state: this.state,
      connections: connections.open,
      channels: factory.open.size,
      leased: channels.leased,
      idle: channels.idle,
      waiting: leases.waiting + this.#dispatcher.waiting,
      inFlight: factory.inFlight,
      bufferedBytes: counters.bufferedBytes,
      ...figuresOf(counters),
    }
  }

  /**
   * Resolves once a channel is open.
   *
   * @throws {PooledProducerError} rejects with ERR_BROKER_UNAVAILABLE or ERR_BROKER_REFUSED after
   *   `timeoutMs`, by default the pool's `acquireTimeoutMs`.
   */
  ready(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    return quiet(this.#ready(options))
  }

  /** Resolves once every accepted publish has its outcome. New ones are still taken. */
  drain(): Promise<void> {
    return this.#parts.settlement.whenSettled()
  }

  /**
   * Refuses new work, waits for the confirms of the old, `timeoutMs` at most (by default the pool's
   * `publishTimeoutMs`), then closes channels and connections. Never rejects but for bad options; a second
   * call gives the first one's promise.
   */
  close(options: { timeoutMs?: number } = {}): Promise<CloseReport> {
    return rejecting(() => {
      checkCallOptions(options, ['timeoutMs'])
      this.#closing ??= this.#close(options.timeoutMs ?? this.options.publishTimeoutMs)
      return this.#closing
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #ready(options: { timeoutMs?: number; signal?: AbortSignal }): Promise<void> {
    checkCallOptions(options, ['timeoutMs', 'signal'])
    const { timeoutMs = this.options.acquireTimeoutMs, signal } = options
    try {
      await this.#parts.leases.opened(timeoutMs, signal)
    } catch (error) {
      if ((error as PooledProducerError).code !== 'ERR_ACQUIRE_TIMEOUT') throw error
      const { message, cause, retryAfterMs } = error as PooledProducerError
      throw new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause, retryAfterMs, stats: this.stats() })
    }
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    clearInterval(this.#summaryTimer)
    const report = await shutDown(this.#parts, timeoutMs)
    this.#isClosed = true
    this.#summarise()
    this.#parts.events.emit('close')
    return report
  }

  #summarise(): void {
    const stats = this.stats()
    this.#parts.log.write('pool.summary', { ...stats, maxChannels: this.options.maxChannels })
    this.#parts.events.emit('summary', stats)
  }
}

/**
 * A pool of kept confirm channels. It begins to connect at once, in the background.
 *
 * @example
 * const pool = createProducerPool({ broker: 'amqp://user:secret@rabbit-1/vhost' })
 * const producer = await pool.acquire()
 * await producer.publish({ routingKey: 'mail', body: 'hello' })
 * pool.release(producer)
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function createProducerPool(options: PoolOptions = {}): ProducerPool {
  return new ProducerPool(options)
}
