import type { ChannelFigures, LifetimeFigures } from './channel-tally.ts'
import type { ChurnFigures } from './churn.ts'
import type { ConnectionFigures } from './connection-tally.ts'
import type { LatencySummary } from './latency-histogram.ts'
import type { LatencyTimelineFigures } from './latency-timeline.ts'
import type { TimelineFigures } from './timeline.ts'

/** A latency, and whether it was counted from debug `lines` or read from the last `summary`. */
export interface LatencyFigures extends LatencySummary {
  readonly from: 'lines' | 'summary'
}

/** What a log says of one pool, from its making to its end. A null was not told. */
export interface PoolFigures extends ConnectionFigures {
  readonly pool: string
  readonly pid: number | null
  readonly hostname: string | null
  /** Counts the pools that had this name, pid and host one after the other, as restarts in a container do. */
  readonly run: number
  /** ISO dates of the first and the last line. */
  readonly from: string | null
  readonly to: string | null
  /**
   * Where the counts come from: the last `pool.summary`, which holds totals since the pool was made; without
   * one the `channel.close` lines, which leave out channels still open and count a message again that was sent
   * again; else `debug` lines.
   */
  readonly countsFrom: 'pool.summary' | 'channel.close' | 'debug' | null
  readonly publishes: number
  readonly leases: number
  readonly channelsOpened: number
  readonly channelsClosed: number
  readonly publishesPerChannel: number | null
  /** 1 - channelsOpened / publishes; null when nothing was published. */
  readonly reuseRatio: number | null
  readonly confirms: number | null
  readonly failures: number
  readonly retries: number
  readonly returns: number | null
  /** The most channels leased at once. */
  readonly maxLeased: number | null
  readonly maxChannels: number | null
  readonly waitMs: LatencyFigures | null
  readonly confirmMs: LatencyFigures | null
  readonly lifetimeMs: LifetimeFigures | null
  readonly failuresByCode: Readonly<Record<string, number>>
  readonly retriesByCode: Readonly<Record<string, number>>
  readonly closeReasons: Readonly<Record<string, number>>
  /** Leases held past `leaseWarnMs`. */
  readonly leasesHeld: number
  readonly warnings: Readonly<Record<string, number>>
  readonly churn: ChurnFigures | null
  /** Totals went backwards with no restart: two pools of one process seem to share the name. */
  readonly isShared: boolean
  readonly timeline: TimelineFigures
  readonly confirmTimeline: LatencyTimelineFigures
  readonly channels: readonly ChannelFigures[]
  /** Channels not listed in `channels`; the totals include them. */
  readonly channelsLeftOut: number
}
