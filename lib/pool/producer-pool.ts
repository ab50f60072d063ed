import { EventEmitter } from 'node:events'
import { parseBrokerUrl } from '../amqp/broker-url.ts'
import { Connection, type ConnectionOwner } from '../amqp/connection.ts'
import type { Message } from '../amqp/message.ts'
import { withTimeLimit } from '../amqp/time-limit.ts'
import { type ErrorCode, PooledProducerError, quiet } from '../errors.ts'
import { EventLog } from '../observe/log.ts'
import { checkCallOptions, type EffectivePoolOptions, type PoolOptions, poolOptions } from '../options.ts'
import { ChannelFactory, type PooledChannel } from './channel-factory.ts'
import { ChannelPool } from './channel-pool.ts'
import { type Declaration, Declarations } from './declarations.ts'
import { Dispatcher, type DispatcherHost, outcomeOf, type PublishOptions } from './dispatcher.ts'
import type { Receipt } from './pending-publish.ts'
import { type Prepared, Producer, prepare, rejecting } from './producer.ts'
import { Counters, figuresOf, type PoolFigures } from './stats.ts'

/** `refused`: the broker said no to the credentials, the vhost or TLS; see the error's text. */
export type PoolState = 'connecting' | 'open' | 'blocked' | 'refused' | 'closing' | 'closed'

/** A snapshot of a pool. */
export interface PoolStats extends PoolFigures {
  readonly state: PoolState
  /** Open connections. */
  readonly connections: number
  /** Open channels. */
  readonly channels: number
  readonly leased: number
  readonly idle: number
  /** Acquires and publishes that wait. */
  readonly waiting: number
  /** Messages that are written and not confirmed. */
  readonly inFlight: number
  /** Bytes of the messages that wait or are in flight. */
  readonly bufferedBytes: number
}

/** What a pool tells its listeners. */
export interface PoolEvents {
  connect: [{ connection: number; broker: string; openMs: number }]
  disconnect: [{ connection: number; broker: string; reason: string }]
  blocked: [{ connection: number; reason: string }]
  unblocked: [{ connection: number; blockedMs: number }]
  refused: [PooledProducerError]
  summary: [PoolStats]
  close: []
}

/** What bounds one acquire. */
export interface AcquireOptions {
  /** Milliseconds. Default: the pool's `acquireTimeoutMs`. */
  timeoutMs?: number
  signal?: AbortSignal
  /** False: refused at once, with ERR_POOL_EXHAUSTED, when no channel is free. Default: true. */
  block?: boolean
}

/** What became of the publishes that were open when `close` was called. */
export interface CloseReport {
  readonly confirmed: number
  /** Ids of the tasks that were written, and whose confirm did not come in time. */
  readonly unknown: readonly string[]
  /** Ids of the tasks that were never written. */
  readonly notSent: readonly string[]
}

/**
 * Keeps confirm channels alive across publishes. See {@link createProducerPool}.
 */
export class ProducerPool implements AsyncDisposable {
  /** The options in force, defaults included. */
  readonly options: EffectivePoolOptions
  readonly #log: EventLog
  readonly #counters = new Counters()
  readonly #events = new EventEmitter()
  readonly #connections: readonly Connection[]
  readonly #declarations: Declarations
  readonly #declaring = new Map<string, Promise<void>>()
  readonly #factory: ChannelFactory
  readonly #channels: ChannelPool
  readonly #dispatcher: Dispatcher
  readonly #leases = new Map<PooledChannel, Producer>()
  readonly #heldTimers = new Map<Producer, NodeJS.Timeout>()
  readonly #acquires = new Set<(error: PooledProducerError) => void>()
  readonly #summaryTimer: NodeJS.Timeout | undefined
  #refusal: PooledProducerError | undefined
  #closing: Promise<CloseReport> | undefined
  #isClosed = false

  constructor(options: PoolOptions = {}) {
    this.options = poolOptions(options)
    const { broker, credentials, connections, logger, name, summaryIntervalMs } = this.options
    const nodes = broker.map((url) => parseBrokerUrl(url, credentials))
    this.#log = new EventLog(logger, name)
    this.#declarations = new Declarations((reason) => this.#log.write('pool.warning', { reason }))
    this.#dispatcher = new Dispatcher(
      () => this.#channels,
      this.#dispatcherHost(),
      this.options,
      this.#counters,
      this.#log,
    )
    this.#connections = Array.from({ length: connections }, (_, index) => {
      return new Connection(index + 1, nodes, this.options, this.#connectionOwner())
    })
    this.#factory = new ChannelFactory(
      this.#connections,
      this.#dispatcher,
      this.options,
      this.#declarations,
      (channel, openMs) => this.#channelOpened(channel, openMs),
    )
    for (const connection of this.#connections) connection.open()
    this.#channels = new ChannelPool(this.#factory, this.options)
    if (summaryIntervalMs > 0) this.#summaryTimer = setInterval(() => this.#summarise(), summaryIntervalMs).unref()
  }

  get state(): PoolState {
    if (this.#isClosed) return 'closed'
    if (this.#closing !== undefined) return 'closing'
    if (this.#connections.some(({ state }) => state === 'open')) return 'open'
    if (this.#connections.some(({ isBlocked }) => isBlocked)) return 'blocked'
    if (this.#connections.every(({ state }) => state === 'refused')) return 'refused'
    return 'connecting'
  }

  /** Calls the listener at each event of this name. A listener that throws is logged, no more. */
  on<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#events.on(event, listener as (...args: unknown[]) => void)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): this {
    this.#events.off(event, listener as (...args: unknown[]) => void)
    return this
  }

  /**
   * Leases a channel, to be given back with `release`.
   *
   * @throws {PooledProducerError} rejects with ERR_ACQUIRE_TIMEOUT (its cause says why), ERR_POOL_EXHAUSTED,
   *   ERR_BROKER_REFUSED, ERR_ABORTED, ERR_POOL_CLOSED or ERR_INVALID_OPTION.
   */
  acquire(options: AcquireOptions = {}): Promise<Producer> {
    return quiet(this.#acquire(options))
  }

  /** Gives a leased channel back. What it published is still confirmed.
   *
   * @throws {PooledProducerError} ERR_NOT_LEASED when it is released already, or another pool's.
   */
  release(producer: Producer): void {
    const isOurs = producer instanceof Producer && this.#leases.get(producer.channel) === producer
    if (!isOurs) {
      throw new PooledProducerError(
        'ERR_NOT_LEASED',
        'this producer is not on lease from this pool: it was released before, or is of another pool',
      )
    }
    const { channel } = producer
    const { publishes, lease } = producer
    producer.end()
    this.#leases.delete(channel)
    clearTimeout(this.#heldTimers.get(producer))
    this.#heldTimers.delete(producer)
    if (this.#log.isDebug) {
      const heldMs = performance.now() - producer.acquiredAt
      this.#log.write('channel.release', { channel: channel.id, lease, heldMs, publishes })
    }
    this.#giveBack(channel)
  }

  /** Runs a function with a leased producer, and releases it whatever comes of it. */
  use<T>(run: (producer: Producer) => Promise<T> | T, options: AcquireOptions = {}): Promise<T> {
    const running = this.#use(run, options)
    // Only what the pool itself could not do may go unawaited; a fault of the caller's own is the caller's.
    running.catch((error) => {
      if (!(error instanceof PooledProducerError)) throw error
    })
    return running
  }

  /**
   * Publishes a message without a lease in the caller's hands. Resolves once the broker has confirmed it.
   *
   * @throws {PooledProducerError} rejects, with an `outcome`: ERR_PUBLISH_TIMEOUT, ERR_BROKER_UNAVAILABLE,
   *   ERR_BROKER_BLOCKED, ERR_BROKER_REFUSED, ERR_CHANNEL_CLOSED, ERR_NACKED, ERR_UNROUTABLE,
   *   ERR_MESSAGE_TOO_LARGE, ERR_POOL_EXHAUSTED, ERR_POOL_CLOSED, ERR_ABORTED or ERR_INVALID_OPTION.
   */
  publish(message: Message, options?: PublishOptions): Promise<Receipt> {
    return rejecting(() => this.send(prepare(message, options), undefined, options)) as Promise<Receipt>
  }

  /** @internal Publishes what was checked already; resolves with `result`, or with a receipt. */
  send({ template, values, body }: Prepared, result: unknown, options?: PublishOptions): Promise<unknown> {
    return this.#dispatcher.submit(template, values, body, result, options)
  }

  /**
   * @internal Has the broker declare something, once; it is declared again on every connection opened later.
   *
   * @throws {PooledProducerError} rejects when that takes longer than `timeoutMs`.
   */
  declare(declaration: Declaration, timeoutMs: number = this.options.publishTimeoutMs): Promise<void> {
    const refusal = this.#currentRefusal()
    if (refusal !== undefined) return quiet(Promise.reject(refusal))
    let running = this.#declaring.get(declaration.name)
    if (running === undefined) {
      running = this.#declare(declaration).finally(() => this.#declaring.delete(declaration.name))
      this.#declaring.set(declaration.name, running)
    }
    const tooLate = () => {
      const { code, reason, cause } = this.#obstacle()
      const text = `${declaration.name} was not declared in ${timeoutMs} ms: ${reason}`
      return new PooledProducerError(code, text, { outcome: 'not-sent', cause })
    }
    return quiet(withTimeLimit(running, timeoutMs, tooLate))
  }

  /** @internal The broker has lost what was declared. */
  forget(declaration: Declaration): void {
    this.#declarations.forget(declaration)
  }

  /** Numbers of now and since the pool was made. */
  stats(): PoolStats {
    let inFlight = 0
    for (const channel of this.#factory.open) inFlight += channel.inFlight
    return {
      state: this.state,
      connections: this.#connections.filter(({ isOpen }) => isOpen).length,
      channels: this.#factory.open.size,
      leased: this.#channels.leased,
      idle: this.#channels.idle,
      waiting: this.#acquires.size + this.#dispatcher.waiting,
      inFlight,
      bufferedBytes: this.#counters.bufferedBytes,
      ...figuresOf(this.#counters),
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
    return this.#dispatcher.whenSettled()
  }

  /**
   * Refuses new work, waits for the confirms of the old, `timeoutMs` at most (by default the pool's
   * `publishTimeoutMs`), then closes channels and connections. Never rejects but for bad options; a second
   * call gives the first one's promise.
   */
  close(options: { timeoutMs?: number } = {}): Promise<CloseReport> {
    return rejecting(() => {
      checkCallOptions(options)
      this.#closing ??= this.#close(options.timeoutMs ?? this.options.publishTimeoutMs)
      return this.#closing
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #acquire(options: AcquireOptions): Promise<Producer> {
    checkCallOptions(options)
    const { timeoutMs = this.options.acquireTimeoutMs, signal, block = true } = options
    const refusal = this.#currentRefusal()
    if (refusal !== undefined) throw refusal
    if (signal?.aborted)
      throw new PooledProducerError('ERR_ABORTED', 'the acquire was aborted by its signal', { cause: signal.reason })
    if (!block && this.#channels.idle === 0) throw this.#exhausted('no channel is free, and block is false')
    if (this.stats().waiting >= this.options.maxWaiting)
      throw this.#exhausted(`maxWaiting (${this.options.maxWaiting}) is reached`)
    const askedAt = performance.now()
    const channel = await this.#waitForChannel(timeoutMs, signal)
    return this.#lease(channel, performance.now() - askedAt)
  }

  #waitForChannel(timeoutMs: number, signal: AbortSignal | undefined): Promise<PooledChannel> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#acquires.delete(fail)
      }
      const got = (channel: PooledChannel) => {
        settle()
        resolve(channel)
      }
      const fail = (error: PooledProducerError) => {
        settle()
        this.#channels.leave(got)
        reject(error)
      }
      const abort = () => {
        fail(new PooledProducerError('ERR_ABORTED', 'the acquire was aborted by its signal', { cause: signal?.reason }))
      }
      const timer = setTimeout(() => fail(this.#acquireTimeout(timeoutMs)), timeoutMs)
      signal?.addEventListener('abort', abort, { once: true })
      this.#acquires.add(fail)
      this.#channels.wait(got)
    })
  }

  #giveBack(channel: PooledChannel): void {
    this.#channels.give(channel)
    this.#dispatcher.wake()
  }

  #lease(channel: PooledChannel, waitMs: number): Producer {
    const reused = channel.leases++ > 0
    const lease = this.#counters.countLease(this.#channels.leased, waitMs)
    const producer = new Producer(lease, channel, this.#dispatcher, (released) => this.release(released))
    this.#leases.set(channel, producer)
    if (this.#log.isDebug) this.#log.write('channel.acquire', { channel: channel.id, lease, reused, waitMs })
    if (this.options.leaseWarnMs > 0) this.#watchLease(producer)
    return producer
  }

  /** The stack is of the code that called acquire: made at the time, it can be shown when it is too late. */
  #watchLease(producer: Producer): void {
    const { stack } = new Error('the lease was taken here')
    const { leaseWarnMs } = this.options
    const timer = setTimeout(() => {
      const heldMs = performance.now() - producer.acquiredAt
      this.#log.write('lease.held', { channel: producer.channelId, lease: producer.lease, heldMs, stack })
    }, leaseWarnMs)
    this.#heldTimers.set(producer, timer.unref())
  }

  async #use<T>(run: (producer: Producer) => Promise<T> | T, options: AcquireOptions): Promise<T> {
    const producer = await this.#acquire(options)
    try {
      return await run(producer)
    } finally {
      if (!producer.isReleased) this.release(producer)
    }
  }

  async #declare(declaration: Declaration): Promise<void> {
    while (!declaration.isDeclared) {
      const channel = await this.#channels.take()
      try {
        await this.#declarations.add(declaration, channel.raw)
      } catch {
        // The channel died under it; the next one is asked as soon as there is one.
        channel.retire('a declaration was not answered')
      } finally {
        this.#giveBack(channel)
      }
    }
  }

  async #ready(options: { timeoutMs?: number; signal?: AbortSignal }): Promise<void> {
    try {
      const { timeoutMs = this.options.acquireTimeoutMs, signal } = options
      checkCallOptions(options)
      const refusal = this.#currentRefusal()
      if (refusal !== undefined) throw refusal
      this.#giveBack(await this.#waitForChannel(timeoutMs, signal))
    } catch (error) {
      if ((error as PooledProducerError).code !== 'ERR_ACQUIRE_TIMEOUT') throw error
      const { message, cause, stats } = error as PooledProducerError
      throw new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause, ...(stats && { stats }) })
    }
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    const confirmedBefore = this.#counters.confirms
    clearInterval(this.#summaryTimer)
    for (const fail of [...this.#acquires]) fail(closed('the pool was closed while this acquire waited'))
    for (const producer of this.#heldTimers.keys()) producer.wake()
    await withTimeLimit(this.drain(), timeoutMs, () => new Error('too late')).catch(ignore)

    const unknown: string[] = []
    const notSent: string[] = []
    this.#dispatcher.rejectAll((publish) => {
      const outcome = outcomeOf(publish)
      if (publish.taskId !== undefined) (outcome === 'unknown' ? unknown : notSent).push(publish.taskId)
      return new PooledProducerError('ERR_POOL_CLOSED', `the pool was closed with no confirm in ${timeoutMs} ms`, {
        outcome,
      })
    })
    const report = { confirmed: this.#counters.confirms - confirmedBefore, unknown, notSent }
    this.#channels.close()
    await Promise.all([...this.#factory.open].map((channel) => channel.destroy('pool closed')))
    await Promise.all(this.#connections.map((connection) => connection.close(CLOSE_LIMIT_MS)))
    this.#dispatcher.stop()
    for (const timer of this.#heldTimers.values()) clearTimeout(timer)
    this.#summarise()
    this.#isClosed = true
    this.#emit('close')
    return report
  }

  #connectionOwner(): ConnectionOwner {
    return {
      opened: ({ id, broker }, { openMs, attempts }) => {
        this.#refusal = undefined
        this.#log.write('connection.open', { connection: id, broker, openMs, attempts })
        this.#factory.wake()
        this.#emit('connect', { connection: id, broker, openMs })
      },
      lost: ({ id, broker }, { reason, lifetimeMs }) => {
        this.#log.write('connection.close', { connection: id, broker, reason, lifetimeMs })
        this.#emit('disconnect', { connection: id, broker, reason })
      },
      retrying: ({ id }, { attempt, delayMs, error }) => {
        this.#log.write('connection.retry', { connection: id, attempt, delayMs, error })
      },
      refused: ({ id }, error) => this.#refused(id, error),
      blocked: ({ id }, reason) => {
        this.#log.write('connection.blocked', { connection: id, reason })
        this.#emit('blocked', { connection: id, reason })
      },
      unblocked: (connection, blockedMs) => {
        this.#log.write('connection.unblocked', { connection: connection.id, blockedMs })
        this.#emit('unblocked', { connection: connection.id, blockedMs })
        for (const channel of this.#factory.open) if (channel.connection === connection) channel.wake()
      },
    }
  }

  #dispatcherHost(): DispatcherHost {
    return {
      refusal: () => this.#currentRefusal(),
      obstacle: () => this.#obstacle(),
      relieved: (channel) => this.#leases.get(channel)?.wake(),
      closed: (channel) => this.#channelClosed(channel),
    }
  }

  #channelOpened(channel: PooledChannel, openMs: number): void {
    this.#counters.channelsOpened++
    this.#log.write('channel.open', { channel: channel.id, connection: channel.connection.id, openMs })
    this.#dispatcher.wake()
  }

  #channelClosed(channel: PooledChannel): void {
    this.#counters.channelsClosed++
    this.#factory.forget(channel)
    const { id, connection, publishes, leases, openedAt, closeReason } = channel
    const lifetimeMs = performance.now() - openedAt
    this.#log.write('channel.close', {
      channel: id,
      connection: connection.id,
      publishes,
      leases,
      lifetimeMs,
      reason: closeReason,
    })
    this.#leases.get(channel)?.wake()
    this.#channels.sweep()
  }

  /** Every connection was refused: whoever waits would wait in vain. */
  #refused(connection: number, error: PooledProducerError): void {
    this.#log.write('pool.warning', { connection, reason: error.message })
    if (!this.#connections.every(({ state }) => state === 'refused')) return
    this.#refusal = error
    this.#emit('refused', error)
    for (const fail of [...this.#acquires]) fail(asRefusal(error))
    this.#dispatcher.rejectAll((publish) => asRefusal(error, outcomeOf(publish)))
  }

  #currentRefusal(): PooledProducerError | undefined {
    if (this.#closing !== undefined) return closed('the pool is closed')
    if (this.#refusal === undefined) return undefined
    // Somebody asks: it may have been mended, and is tried again when the last refusal is old enough.
    for (const connection of this.#connections) connection.open()
    return asRefusal(this.#refusal, 'not-sent')
  }

  #obstacle(): { code: ErrorCode; reason: string; cause: unknown } {
    const cause =
      this.#connections.map(({ lastError }) => lastError).find((error) => error !== undefined) ??
      this.#factory.lastError
    switch (this.state) {
      case 'blocked':
        return {
          code: 'ERR_BROKER_BLOCKED',
          reason: 'the broker has blocked the connection (an alarm for memory or disk)',
          cause,
        }
      case 'connecting':
        return { code: 'ERR_BROKER_UNAVAILABLE', reason: cause?.message ?? 'no connection yet', cause }
      default:
        return { code: 'ERR_PUBLISH_TIMEOUT', reason: this.#numbers(), cause: this.#factory.lastError }
    }
  }

  #acquireTimeout(timeoutMs: number): PooledProducerError {
    const { state } = this
    const cause = state === 'open' ? this.#factory.lastError : this.#obstacle().cause
    const reason = state === 'open' ? '' : `, ${state}${cause instanceof Error ? `: ${cause.message}` : ''}`
    const text = `no channel in ${timeoutMs} ms (${this.#numbers()}${reason})`
    return new PooledProducerError('ERR_ACQUIRE_TIMEOUT', text, { cause, stats: this.stats() })
  }

  #exhausted(reason: string): PooledProducerError {
    const stats = this.stats()
    return new PooledProducerError('ERR_POOL_EXHAUSTED', `${reason} (${this.#numbers()})`, { stats })
  }

  #numbers(): string {
    const { leased, idle, waiting } = this.stats()
    return `${leased} leased, ${idle} idle, ${waiting} waiting, maxChannels ${this.options.maxChannels}`
  }

  #summarise(): void {
    const stats = this.stats()
    const { maxChannels } = this.options
    this.#log.write('pool.summary', { ...stats, maxChannels })
    this.#emit('summary', stats)
  }

  #emit<E extends keyof PoolEvents>(event: E, ...args: PoolEvents[E]): void {
    try {
      this.#events.emit(event, ...args)
    } catch (error) {
      this.#log.write('pool.warning', { reason: `a listener of ${event} threw`, error })
    }
  }
}

/** A close that a connection does not answer in this time is not waited for. */
const CLOSE_LIMIT_MS = 2_000

function closed(message: string): PooledProducerError {
  return new PooledProducerError('ERR_POOL_CLOSED', message, { outcome: 'not-sent' })
}

function asRefusal(error: PooledProducerError, outcome?: 'not-sent' | 'unknown'): PooledProducerError {
  return new PooledProducerError(error.code, error.message, { cause: error.cause, ...(outcome && { outcome }) })
}

function ignore(): void {}
