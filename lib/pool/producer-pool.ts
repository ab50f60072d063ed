import type { Message } from '../amqp/message.ts'
import { checkCallOptions } from '../call-options.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import { EventHub } from '../observe/event-hub.ts'
import { EventLog } from '../observe/log.ts'
import { type EffectivePoolOptions, type PoolOptions, poolOptions } from '../options.ts'
import { ChannelFactory, type PooledChannel } from './channel-factory.ts'
import { ChannelPool } from './channel-pool.ts'
import { ConnectionSet, type Obstacle, repeated } from './connection-set.ts'
import { type Declaration, Declarations } from './declarations.ts'
import { Dispatcher } from './dispatcher.ts'
import { type AcquireOptions, Leases } from './leases.ts'
import type { Receipt } from './pending-publish.ts'
import type { PoolEvents } from './pool-events.ts'
import { type Producer, prepare, rejecting } from './producer.ts'
import { PublishLog } from './publish-log.ts'
import type { Prepared, PublishLimits, PublishOptions } from './publish-request.ts'
import { outcomeOf, Settlement } from './settlement.ts'
import { type CloseReport, closedPool, shutDown } from './shutdown.ts'
import { Counters, figuresOf, type PoolState, type PoolStats } from './stats.ts'
import type { Subscription, SubscriptionRequest } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'
import { useLease } from './use-lease.ts'

/** Keeps confirm channels alive across publishes. See {@link createProducerPool}. */
export class ProducerPool implements AsyncDisposable {
  /** The options in force, defaults included. */
  readonly options: EffectivePoolOptions
  readonly #log: EventLog
  readonly #events: EventHub<PoolEvents>
  /** @internal What metrics read. */
  readonly counters: Counters = new Counters()
  readonly #connections: ConnectionSet
  readonly #subscriptions: Subscriptions
  readonly #declarations: Declarations
  readonly #factory: ChannelFactory
  readonly #channels: ChannelPool
  readonly #settlement: Settlement
  readonly #dispatcher: Dispatcher
  readonly #leases: Leases
  readonly #summaryTimer: NodeJS.Timeout | undefined
  #closing: Promise<CloseReport> | undefined
  #isClosed = false

  constructor(options: PoolOptions = {}) {
    this.options = poolOptions(options)
    this.#log = new EventLog(this.options.logger, this.options.name)
    this.#events = new EventHub(this.#log)
    this.#connections = new ConnectionSet(this.options, this.#log, this.#events, {
      opened: () => {
        this.#factory.wake()
        this.#subscriptions.wake()
      },
      unblocked: (connection) => this.#factory.relieve(connection),
      refused: (error) => {
        this.#leases.rejectAll(() => repeated(error))
        this.#settlement.failAll((publish) => repeated(error, outcomeOf(publish)))
      },
    })
    this.#subscriptions = new Subscriptions(this.#connections.consuming, this.#log)
    this.#declarations = new Declarations((reason) => this.#log.write('pool.warning', { reason }))
    const publishLog = new PublishLog(this.#log)
    this.#settlement = new Settlement(this.counters, publishLog, () => this.#obstacle())
    this.#dispatcher = new Dispatcher(
      () => this.#channels,
      {
        refusal: () => this.#refusal() ?? this.#connections.outage(),
        relieved: (channel) => this.#leases.wake(channel),
        closed: (channel) => this.#channelClosed(channel),
        declare: (declaration) => this.#declare(declaration),
        forget: (exchange, routingKey) => this.#declarations.forget(exchange, routingKey),
      },
      this.options,
      this.counters,
      this.#settlement,
      publishLog,
    )
    this.#factory = new ChannelFactory(
      this.#connections.all,
      this.#dispatcher,
      this.options,
      this.#declarations,
      this.counters,
      this.#log,
      (channel) => this.#channelOpened(channel),
    )
    this.#channels = new ChannelPool(this.#factory, this.options)
    this.#leases = new Leases(
      this.#channels,
      this.#dispatcher,
      this.#declarations,
      {
        refusal: () => this.#refusal(),
        connections: this.#connections,
        lastError: () => this.#connections.lastError ?? this.#factory.lastError,
        stats: () => this.stats(),
      },
      this.options,
      this.counters,
      this.#log,
    )
    this.#connections.connect()
    const { summaryIntervalMs } = this.options
    if (summaryIntervalMs > 0) this.#summaryTimer = setInterval(() => this.#summarise(), summaryIntervalMs).unref()
  }

  get state(): PoolState {
    if (this.#isClosed) return 'closed'
    return this.#closing === undefined ? this.#connections.state : 'closing'
  }

  /** Calls the listener at each event of this name. A listener that throws is logged, no more. */
  on<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#events.on(event, listener)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#events.off(event, listener)
    return this
  }

  /**
   * Leases a channel, to be given back with `release`.
   *
   * @throws {PooledProducerError} rejects with ERR_ACQUIRE_TIMEOUT (its cause says why), ERR_POOL_EXHAUSTED,
   *   ERR_BROKER_UNAVAILABLE, _BLOCKED or _REFUSED, ERR_ABORTED, ERR_POOL_CLOSED or ERR_INVALID_OPTION.
   */
  acquire(options: AcquireOptions = {}): Promise<Producer> {
    const acquiring = this.#leases.acquire(options)
    if (this.options.leaseWarnMs === 0) return quiet(acquiring)
    const takenAt = new Error('the lease was taken here')
    return quiet(
      acquiring.then((producer) => {
        this.#leases.watch(producer, takenAt)
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
    this.#leases.release(producer)
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

  /** @internal Publishes what was checked already; resolves with `result`, or with a receipt. */
  send(prepared: Prepared, result: unknown, options?: PublishLimits, declaration?: Declaration): Promise<unknown> {
    return this.#dispatcher.submit(prepared, result, options, declaration)
  }

  /** @internal Rejects what is wrong before it is a publish; logged and counted as one that failed. */
  refuse(error: PooledProducerError, task?: string, taskId?: string): Promise<never> {
    return this.#settlement.refuse(error, task, taskId)
  }

  /**
   * @internal Consumes from a queue, on a connection apart from those that publish, for as long as the pool
   * lives: declared and consumed once, and again after each loss.
   *
   * @throws {PooledProducerError} ERR_POOL_CLOSED
   */
  subscribe(request: SubscriptionRequest): Subscription {
    if (this.#closing !== undefined) throw closedPool('the pool is closed')
    return this.#subscriptions.add(request)
  }

  /** Numbers of now and since the pool was made. */
  stats(): PoolStats {
    return {
      state: this.state,
      connections: this.#connections.open,
      channels: this.#factory.open.size,
      leased: this.#channels.leased,
      idle: this.#channels.idle,
      waiting: this.#leases.waiting + this.#dispatcher.waiting,
      inFlight: this.#factory.inFlight,
      bufferedBytes: this.counters.bufferedBytes,
      ...figuresOf(this.counters),
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
    return this.#settlement.whenSettled()
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
      await this.#leases.opened(timeoutMs, signal)
    } catch (error) {
      if ((error as PooledProducerError).code !== 'ERR_ACQUIRE_TIMEOUT') throw error
      const { message, cause, retryAfterMs } = error as PooledProducerError
      throw new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause, retryAfterMs, stats: this.stats() })
    }
  }

  #declare(declaration: Declaration): Promise<void> {
    return this.#declarations.once(declaration, async (run) => {
      const channel = await this.#channels.take()
      await run(channel)
      this.#leases.giveBack(channel)
    })
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    clearInterval(this.#summaryTimer)
    const report = await shutDown(
      {
        leases: this.#leases,
        subscriptions: this.#subscriptions,
        settlement: this.#settlement,
        channels: this.#channels,
        factory: this.#factory,
        connections: this.#connections,
        counters: this.counters,
      },
      timeoutMs,
    )
    this.#isClosed = true
    this.#summarise()
    this.#events.emit('close')
    return report
  }

  #channelOpened(channel: PooledChannel): void {
    this.#dispatcher.keepsContext = !channel.isFast
    this.#leases.channelOpened()
    this.#dispatcher.wake()
  }

  #channelClosed(channel: PooledChannel): void {
    this.#factory.forget(channel)
    this.#leases.wake(channel)
    this.#channels.drop(channel)
    this.#dispatcher.wake()
  }

  #refusal(): PooledProducerError | undefined {
    return this.#closing === undefined ? this.#connections.refusal('not-sent') : closedPool('the pool is closed')
  }

  #obstacle(): Obstacle {
    const { leased, idle, waiting } = this.stats()
    const reason = `${leased} channels leased, ${idle} idle, ${waiting} waiting`
    return this.#connections.obstacle({ code: 'ERR_PUBLISH_TIMEOUT', reason, cause: this.#factory.lastError })
  }

  #summarise(): void {
    const stats = this.stats()
    this.#log.write('pool.summary', { ...stats, maxChannels: this.options.maxChannels })
    this.#events.emit('summary', stats)
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
