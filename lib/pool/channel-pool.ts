import genericPool, { type Pool } from 'generic-pool'
import type { ChannelFactory, PooledChannel } from './channel-factory.ts'

/** Who waits for a channel: called with one, which it must give back. */
export type Waiter = (channel: PooledChannel) => void

export interface ChannelPoolSettings {
  readonly minChannels: number
  readonly maxChannels: number
  readonly idleTimeoutMs: number
  readonly maxChannelAgeMs: number
}

const LONGEST_EVICTION_INTERVAL_MS = 10_000
/** A channel that nobody has asked for in this time is generic-pool's again, which may close it. */
const AT_HAND_MS = 50

/**
 * The channels that nobody has leased, over generic-pool, which keeps them, opens them and closes the idle
 * ones. Who waits does so here, not there: generic-pool's waiters cannot leave, and learn no cause.
 */
export class ChannelPool {
  readonly #pool: Pool<PooledChannel>
  readonly #factory: ChannelFactory
  readonly #settings: ChannelPoolSettings
  readonly #leased = new Set<PooledChannel>()
  /** In the order of asking; a set, so that leaving costs the same at any length. */
  readonly #waiters = new Set<Waiter>()
  /**
   * The channel that was given back last, out of generic-pool and lent to nobody: it is had at once, where
   * generic-pool's promises cost as much as a quarter of a message. Never there while somebody waits.
   */
  #atHand: PooledChannel | undefined
  #wasNeeded = false
  #atHandTimer: NodeJS.Timeout | undefined
  #asked = 0
  #isGrowing = false
  #isClosed = false

  constructor(factory: ChannelFactory, settings: ChannelPoolSettings) {
    this.#factory = factory
    this.#settings = settings
    this.#pool = genericPool.createPool(factory, {
      min: settings.minChannels,
      max: settings.maxChannels,
      // Last in, first out: few channels stay busy, and the others become idle.
      fifo: false,
      // The soft limit spares `min` channels; the hard one would close and open them for ever.
      softIdleTimeoutMillis: settings.idleTimeoutMs,
      idleTimeoutMillis: Number.MAX_SAFE_INTEGER,
      evictionRunIntervalMillis: Math.min(LONGEST_EVICTION_INTERVAL_MS, settings.idleTimeoutMs),
      numTestsPerEvictionRun: settings.maxChannels,
    })
  }

  /** Channels in somebody's hands. */
  get leased(): number {
    return this.#leased.size
  }

  /** Channels that can be had at once. */
  get idle(): number {
    if (this.#isClosed) return 0
    // Some are on their way from generic-pool, and not all of those to somebody who still waits.
    const coming = this.#pool.borrowed - this.#leased.size
    return this.#pool.available + Math.max(0, coming - this.#waiters.size)
  }

  /** Whether another channel may be opened. */
  get canGrow(): boolean {
    return this.#pool.size < this.#settings.maxChannels
  }

  isLeased(channel: PooledChannel): boolean {
    return this.#leased.has(channel)
  }

  /** A channel without waiting for it; nothing when none is at hand, though there may be idle ones. */
  takeNow(): PooledChannel | undefined {
    const channel = this.#atHand
    if (channel === undefined) return undefined
    this.#atHand = undefined
    if (!channel.isUsable) {
      settle(this.#pool.destroy(channel))
      return undefined
    }
    this.#wasNeeded = true
    this.#leased.add(channel)
    return channel
  }

  /** A channel, as soon as one is free, in the order of asking. Never rejects; waits for ever if need be. */
  take(): Promise<PooledChannel> {
    return new Promise((resolve) => this.wait(resolve))
  }

  /** Puts a waiter in the line. */
  wait(waiter: Waiter): void {
    const channel = this.takeNow()
    if (channel !== undefined) return waiter(channel)
    if (this.#isClosed) return
    this.#waiters.add(waiter)
    this.#ask()
  }

  /** Takes a waiter out of the line; false when it had its turn already. */
  leave(waiter: Waiter): boolean {
    return this.#waiters.delete(waiter)
  }

  /** Takes a channel back. A dead or retired one leaves the pool, as does one that has grown too old. */
  give(channel: PooledChannel): void {
    if (!this.#leased.delete(channel)) return
    const { maxChannelAgeMs } = this.#settings
    if (maxChannelAgeMs > 0 && performance.now() - channel.openedAt > maxChannelAgeMs) channel.retire('maxChannelAgeMs')
    if (channel.isUsable && this.#waiters.size === 0) this.#keepAtHand(channel)
    else this.#putBack(channel)
  }

  /** Opens one more channel in the background. */
  grow(): void {
    if (this.#isGrowing) return
    this.#isGrowing = true
    this.wait((channel) => {
      this.#isGrowing = false
      this.give(channel)
    })
  }

  /** Takes a channel that has died out of the pool, where generic-pool does not see it die. */
  drop(channel: PooledChannel): void {
    if (this.#isClosed) return
    this.#leased.delete(channel)
    // The one at hand may stay there: whoever takes it sees that it is dead.
    settle(this.#pool.destroy(channel))
    // The idle ones can only be reached by lending them.
    for (let count = this.#pool.available; count > 0; count--) {
      settle(this.#pool.acquire().then((channel) => this.#putBack(channel)))
    }
  }

  /** Lends no more, and lets go of everything, generic-pool's timer included. */
  close(): void {
    this.#isClosed = true
    this.#waiters.clear()
    this.#putAway()
    settle(this.#pool.drain())
    for (const channel of this.#leased) settle(this.#pool.destroy(channel))
    this.#leased.clear()
    this.#factory.close()
  }

  /** Asks generic-pool for no more channels than it can have, so that its own line stays short. */
  #ask(): void {
    while (this.#asked < this.#waiters.size && this.#asked < this.#settings.maxChannels) {
      this.#asked++
      settle(this.#pool.acquire().then((channel) => this.#lend(channel)))
    }
  }

  #lend(channel: PooledChannel): void {
    this.#asked--
    const [waiter] = this.#waiters
    if (waiter === undefined || !channel.isUsable) {
      this.#putBack(channel)
    } else {
      this.#waiters.delete(waiter)
      this.#leased.add(channel)
      waiter(channel)
    }
    this.#ask()
  }

  /** The one before it goes to generic-pool: what was given back last is lent first, and the others become idle. */
  #keepAtHand(channel: PooledChannel): void {
    if (this.#atHand !== undefined) this.#putBack(this.#atHand)
    this.#atHand = channel
    this.#atHandTimer ??= this.#watchAtHand()
  }

  #watchAtHand(): NodeJS.Timeout {
    this.#wasNeeded = false
    return setTimeout(() => {
      this.#atHandTimer = undefined
      if (this.#wasNeeded) this.#atHandTimer = this.#watchAtHand()
      else this.#putAway()
    }, AT_HAND_MS).unref()
  }

  #putAway(): void {
    clearTimeout(this.#atHandTimer)
    this.#atHandTimer = undefined
    if (this.#atHand !== undefined) this.#putBack(this.#atHand)
    this.#atHand = undefined
  }

  /** To generic-pool, which keeps it if it is of use. */
  #putBack(channel: PooledChannel): void {
    settle(channel.isUsable ? this.#pool.release(channel) : this.#pool.destroy(channel))
  }
}

/** generic-pool rejects a channel that it has not lent, and all that is asked of it as it drains: neither is a fault. */
function settle(promise: PromiseLike<unknown>): void {
  promise.then(ignore, ignore)
}

function ignore(): void {}
