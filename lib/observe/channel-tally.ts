import type { LogRecord } from './log-line.ts'
import { amountOf, type Counts, countUp, isoDate, textOf } from './log-values.ts'

/** One channel, as far as its lines told. A null was not told. */
export interface ChannelFigures {
  readonly channel: string
  readonly connection: string | null
  /** Messages written. Told when the channel closes; before that only by debug lines. */
  readonly publishes: number | null
  /** As `publishes`. */
  readonly leases: number | null
  readonly openMs: number | null
  readonly lifetimeMs: number | null
  /** ISO dates of its opening and its close; the first is reckoned from its lifetime where its line is not in the log. */
  readonly openedAt: string | null
  readonly closedAt: string | null
  /** Why it was closed; null while it is open, or when it was not told. */
  readonly reason: string | null
  readonly isOpen: boolean
}

/** How long the channels lived that were closed. */
export interface LifetimeFigures {
  readonly mean: number
  readonly max: number
}

interface Channel {
  connection: string | null
  openedAtMs: number | undefined
  closedAtMs: number | undefined
  openMs: number | null
  lifetimeMs: number | null
  publishes: number | null
  leases: number | null
  reason: string | null
  isOpen: boolean
}

/** Channels listed one by one at most; the totals cover all. */
const MAX_LISTED = 200

/** What the lines say of one pool's channels: totals over all, and the figures of those that did most. */
export class ChannelTally {
  readonly #channels = new Map<string, Channel>()
  readonly closeReasons: Counts = new Map()
  opened = 0
  closed = 0
  /** Over the channels that were closed. */
  closedPublishes = 0
  closedLeases = 0
  /** Over the debug lines. */
  releasedPublishes = 0
  acquiredLeases = 0
  #leftOut = 0
  #lifetimes = { count: 0, sum: 0, max: 0 }

  /** Whether an id is opened that this log has seen opened before: ids are given once in the life of a pool. */
  isOpenedAgain({ fields, timeMs }: LogRecord): boolean {
    const openedAtMs = this.#channels.get(textOf(fields.channel) ?? '')?.openedAtMs
    return openedAtMs !== undefined && timeMs !== undefined && timeMs > openedAtMs
  }

  add({ event, fields, timeMs }: LogRecord): void {
    const channel = this.#channel(textOf(fields.channel) ?? '?')
    channel.connection ??= textOf(fields.connection) ?? null
    const publishes = amountOf(fields.publishes)
    const leases = amountOf(fields.leases)
    switch (event) {
      case 'channel.open':
        this.opened += 1
        channel.openedAtMs = timeMs
        channel.openMs = amountOf(fields.openMs) ?? null
        break
      case 'channel.acquire':
        this.acquiredLeases += 1
        if (channel.isOpen) channel.leases = (channel.leases ?? 0) + 1
        break
      case 'channel.release':
        this.releasedPublishes += publishes ?? 0
        if (channel.isOpen && publishes !== undefined) channel.publishes = (channel.publishes ?? 0) + publishes
        break
      case 'channel.close':
        this.closed += 1
        this.closedPublishes += publishes ?? 0
        this.closedLeases += leases ?? 0
        channel.isOpen = false
        channel.closedAtMs = timeMs
        channel.publishes = publishes ?? channel.publishes
        channel.leases = leases ?? channel.leases
        channel.lifetimeMs = amountOf(fields.lifetimeMs) ?? null
        channel.reason = textOf(fields.reason) ?? null
        if (channel.lifetimeMs !== null) this.#countLifetime(channel.lifetimeMs)
        if (channel.reason !== null) countUp(this.closeReasons, channel.reason)
    }
  }

  /** The channels that are listed, those that published most first. */
  list(): { channels: ChannelFigures[]; leftOut: number } {
    const inOrder = [...this.#channels].sort(([, a], [, b]) => (b.publishes ?? -1) - (a.publishes ?? -1))
    const channels = inOrder.slice(0, MAX_LISTED).map(([id, channel]) => figuresOf(id, channel))
    return { channels, leftOut: this.#leftOut + inOrder.length - channels.length }
  }

  lifetimeMs(): LifetimeFigures | null {
    const { count, sum, max } = this.#lifetimes
    return count === 0 ? null : { mean: sum / count, max }
  }

  #countLifetime(ms: number): void {
    this.#lifetimes.count += 1
    this.#lifetimes.sum += ms
    this.#lifetimes.max = Math.max(this.#lifetimes.max, ms)
  }

  #channel(id: string): Channel {
    let channel = this.#channels.get(id)
    if (channel === undefined) {
      if (this.#channels.size >= 2 * MAX_LISTED) this.#prune()
      channel = {
        connection: null,
        openedAtMs: undefined,
        closedAtMs: undefined,
        openMs: null,
        lifetimeMs: null,
        publishes: null,
        leases: null,
        reason: null,
        isOpen: true,
      }
      this.#channels.set(id, channel)
    }
    return channel
  }

  /** Halves the list. Channels still open stay, newest first, and of the closed ones those that published most. */
  #prune(): void {
    const rank = ({ isOpen, publishes }: Channel) => (isOpen ? Number.POSITIVE_INFINITY : (publishes ?? 0))
    const worth = [...this.#channels].reverse().sort(([, a], [, b]) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a)))
    for (const [id] of worth.slice(MAX_LISTED)) this.#channels.delete(id)
    this.#leftOut += worth.length - MAX_LISTED
  }
}

function figuresOf(id: string, channel: Channel): ChannelFigures {
  const { connection, publishes, leases, openMs, lifetimeMs, reason, isOpen, openedAtMs, closedAtMs } = channel
  const reckonedMs = closedAtMs === undefined || lifetimeMs === null ? undefined : closedAtMs - lifetimeMs
  return {
    channel: id,
    connection,
    publishes,
    leases,
    openMs,
    lifetimeMs,
    openedAt: isoDate(openedAtMs ?? reckonedMs),
    closedAt: isoDate(closedAtMs),
    reason,
    isOpen,
  }
}
