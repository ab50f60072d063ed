import { checkCallOptions } from '../call-options.ts'
import { PooledProducerError } from '../errors.ts'
import type { EventLog } from '../observe/log.ts'
import { TRACES, traced } from '../observe/traces.ts'
import { AbortWatch } from './abort-watch.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { ConnectionSet } from './connection-set.ts'
import type { Declarations } from './declarations.ts'
import type { Dispatcher } from './dispatcher.ts'
import { Producer } from './producer.ts'
import type { Counters, PoolStats } from './stats.ts'

/** What bounds one acquire. */
export interface AcquireOptions {
  /** Milliseconds. Default: the pool's `acquireTimeoutMs`. */
  timeoutMs?: number
  signal?: AbortSignal
  /** False: refused at once, with ERR_POOL_EXHAUSTED, when no channel is free. Default: true. */
  block?: boolean
}

export interface LeaseSettings {
  readonly name: string
  readonly acquireTimeoutMs: number
  readonly maxWaiting: number
  readonly maxChannels: number
  readonly leaseWarnMs: number
}

/** Where callers wait for what they are called with. */
interface Line<T> {
  wait(listener: (value: T) => void): unknown
  leave(listener: (value: T) => void): unknown
}

/** What leases ask of their pool. */
export interface LeaseHost {
  /** Why no channel can be had now, and waiting is no use. */
  refusal(): PooledProducerError | undefined
  /** They say whether a channel is of no use now, and when it may be again. */
  readonly connections: Pick<ConnectionSet, 'outage' | 'retryAfterMs'>
  /** Why there was no channel in time, as far as anybody knows. */
  lastError(): Error | undefined
  stats(): PoolStats
}

/** The channels in the hands of callers: who has which, who waits, and since when. */
export class Leases {
  readonly #channels: ChannelPool
  readonly #dispatcher: Dispatcher
  readonly #declarations: Declarations
  readonly #host: LeaseHost
  readonly #settings: LeaseSettings
  readonly #counters: Counters
  readonly #log: EventLog
  readonly #held = new Map<PooledChannel, Producer>()
  readonly #warnings = new Map<Producer, NodeJS.Timeout>()
  readonly #waiting = new Set<(error: PooledProducerError) => void>()
  readonly #openListeners = new Set<() => void>()
  readonly #signals = new AbortWatch()

  constructor(
    channels: ChannelPool,
    dispatcher: Dispatcher,
    declarations: Declarations,
    host: LeaseHost,
    settings: LeaseSettings,
    counters: Counters,
    log: EventLog,
  ) {
    this.#channels = channels
    this.#dispatcher = dispatcher
    this.#declarations = declarations
    this.#host = host
    this.#settings = settings
    this.#counters = counters
    this.#log = log
  }

  /** How many acquires wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  acquire(options: AcquireOptions): Promise<Producer> {
    if (!TRACES.acquire.hasSubscribers) return this.#acquire(options)
    return traced(TRACES.acquire, { pool: this.#settings.name }, () => this.#acquire(options))
  }

  async #acquire(options: AcquireOptions): Promise<Producer> {
    checkCallOptions(options, ['timeoutMs', 'signal', 'block'])
    const { timeoutMs = this.#settings.acquireTimeoutMs, signal, block = true } = options
    this.#refuse(signal)
    const outage = this.#host.connections.outage()
    if (outage !== undefined) throw outage
    if (!block && this.#channels.idle === 0) throw this.#exhausted('no channel is free, and block is false')
    const { maxWaiting } = this.#settings
    if (this.#waiting.size + this.#dispatcher.waiting >= maxWaiting && this.#channels.idle === 0) {
      throw this.#exhausted(`maxWaiting (${maxWaiting}) is reached`)
    }
    const askedAt = performance.now()
    const channel = await this.#wait(timeoutMs, signal, this.#channels)
    return this.#lease(channel, performance.now() - askedAt)
  }

  /** Resolves once a channel is open, in whose hands it may be. */
  async opened(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.#refuse(signal)
    if (this.#host.stats().channels > 0) return
    const opened = this.#wait<void>(timeoutMs, signal, {
      wait: (listener) => this.#openListeners.add(listener),
      leave: (listener) => this.#openListeners.delete(listener),
    })
    // With no channel kept open by itself, somebody must ask for one.
    this.#channels.grow()
    await opened
  }

  /** There is a new channel. */
  channelOpened(): void {
    for (const listener of this.#openListeners) listener()
    this.#openListeners.clear()
  }

  /** @throws {PooledProducerError} ERR_NOT_LEASED */
  release(producer: Producer): void {
    if (!(producer instanceof Producer) || this.#held.get(producer.channel) !== producer) {
      const text = "this producer is not on lease from this pool: it was released before, or is another pool's"
      throw new PooledProducerError('ERR_NOT_LEASED', text)
    }
    const channel = producer.end()
    this.#held.delete(channel)
    clearTimeout(this.#warnings.get(producer))
    this.#warnings.delete(producer)
    if (this.#log.isDebug) {
      const { lease, publishes, acquiredAt } = producer
      const heldMs = performance.now() - acquiredAt
      this.#log.write('channel.release', { channel: channel.id, lease, heldMs, publishes })
    }
    this.giveBack(channel)
  }

  giveBack(channel: PooledChannel): void {
    this.#channels.give(channel)
    this.#dispatcher.wake()
  }

  /** A leased channel has room again, or is gone. */
  wake(channel: PooledChannel): void {
    this.#held.get(channel)?.wake()
  }

  /** Rejects everybody who waits. */
  rejectAll(error: () => PooledProducerError): void {
    for (const fail of [...this.#waiting]) fail(error())
  }

  /** Watches no lease any more. */
  stop(): void {
    for (const timer of this.#warnings.values()) clearTimeout(timer)
    this.#warnings.clear()
  }

  #refuse(signal: AbortSignal | undefined): void {
    const refusal = this.#host.refusal()
    if (refusal !== undefined) throw refusal
    if (signal?.aborted) throw aborted(signal)
  }

  #wait<T>(timeoutMs: number, signal: AbortSignal | undefined, line: Line<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        unlisten?.()
        this.#waiting.delete(fail)
      }
      const got = (value: T) => {
        leave()
        resolve(value)
      }
      const fail = (error: PooledProducerError) => {
        leave()
        line.leave(got)
        reject(error)
      }
      const abort = () => fail(aborted(signal))
      const timer = setTimeout(() => fail(this.#timedOut(timeoutMs)), timeoutMs)
      const unlisten = signal === undefined ? undefined : this.#signals.watch(signal, abort)
      this.#waiting.add(fail)
      line.wait(got)
    })
  }

  #lease(channel: PooledChannel, waitMs: number): Producer {
    const reused = channel.leases++ > 0
    const lease = this.#counters.countLease(this.#channels.leased, waitMs)
    const producer = new Producer(lease, channel, this.#dispatcher, this.#declarations, (released) =>
      this.release(released),
    )
    this.#held.set(channel, producer)
    if (this.#log.isDebug) this.#log.write('channel.acquire', { channel: channel.id, lease, reused, waitMs })
    return producer
  }

  /** @param takenAt an error made where the caller called acquire: it holds the stack that is logged. */
  watch(producer: Producer, takenAt: Error): void {
    const timer = setTimeout(() => {
      const heldMs = performance.now() - producer.acquiredAt
      this.#log.write('lease.held', {
        channel: producer.channelId,
        lease: producer.lease,
        heldMs,
        stack: takenAt.stack,
      })
    }, this.#settings.leaseWarnMs)
    this.#warnings.set(producer, timer.unref())
  }

  #timedOut(timeoutMs: number): PooledProducerError {
    const stats = this.#host.stats()
    const cause = this.#host.lastError()
    const why = stats.state === 'open' ? '' : `; ${stats.state}: ${cause?.message ?? 'there is no connection yet'}`
    const text = `no channel in ${timeoutMs} ms (${this.#numbers(stats)})${why}`
    return new PooledProducerError('ERR_ACQUIRE_TIMEOUT', text, {
      cause,
      stats,
      retryAfterMs: this.#host.connections.retryAfterMs,
    })
  }

  #exhausted(reason: string): PooledProducerError {
    const stats = this.#host.stats()
    const { retryAfterMs } = this.#host.connections
    return new PooledProducerError('ERR_POOL_EXHAUSTED', `${reason} (${this.#numbers(stats)})`, { stats, retryAfterMs })
  }

  #numbers({ leased, idle, waiting }: PoolStats): string {
    return `${leased} leased, ${idle} idle, ${waiting} waiting, maxChannels ${this.#settings.maxChannels}`
  }
}

function aborted(signal: AbortSignal | undefined): PooledProducerError {
  return new PooledProducerError('ERR_ABORTED', 'the acquire was aborted by its signal', { cause: signal?.reason })
}
