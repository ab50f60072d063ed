import type { ErrorCode } from '../errors.ts'
import { LatencyHistogram } from '../observe/latency-histogram.ts'

/** What a pool counts, from its making on. */
export class Counters {
  publishes = 0
  confirms = 0
  failures = 0
  retries = 0
  returns = 0
  leases = 0
  channelsOpened = 0
  channelsClosed = 0
  maxLeased = 0
  /** Publishes that are not written. */
  waiting = 0
  /** Publishes without an outcome. */
  unsettled = 0
  /** Bytes of the messages without an outcome. */
  bufferedBytes = 0
  /** The failures, by the code of their error. */
  readonly failuresByCode: Map<ErrorCode, number> = new Map()
  readonly waitMs: LatencyHistogram = new LatencyHistogram()
  readonly confirmMs: LatencyHistogram = new LatencyHistogram()

  countFailure(code: ErrorCode): void {
    this.failures++
    this.failuresByCode.set(code, (this.failuresByCode.get(code) ?? 0) + 1)
  }

  /** Counts a lease, of which there are `leased` now; gives its number. */
  countLease(leased: number, waitMs: number): number {
    if (leased > this.maxLeased) this.maxLeased = leased
    this.waitMs.record(waitMs)
    return ++this.leases
  }
}

/** Milliseconds: half were below `p50`, 99 of 100 below `p99`, all below or at `max`. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** What is counted from the pool's making on, and what `pool.summary` logs. */
export interface PoolFigures {
  readonly publishes: number
  readonly confirms: number
  readonly failures: number
  /** Messages sent again after a fault. */
  readonly retries: number
  /** Messages that no queue took. */
  readonly returns: number
  readonly leases: number
  readonly channelsOpened: number
  readonly channelsClosed: number
  readonly publishesPerChannel: number
  /** 1 - channelsOpened / publishes: 0 is a channel per publish, near 1 is full reuse. */
  readonly reuseRatio: number
  /** How long leases waited for a channel. */
  readonly waitMs: Percentiles
  /** From the last write of a message to its confirm. */
  readonly confirmMs: Percentiles
  /** The most channels that were leased at once. */
  readonly maxLeased: number
}

/** `refused`: the broker said no to the credentials, the vhost or TLS; the error says to which. */
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

/** The figures of a {@link Counters}. */
export function figuresOf(counters: Counters): PoolFigures {
  const { publishes, confirms, failures, retries, returns, leases, channelsOpened, channelsClosed, maxLeased } =
    counters
  return {
    publishes,
    confirms,
    failures,
    retries,
    returns,
    leases,
    channelsOpened,
    channelsClosed,
    publishesPerChannel: channelsOpened === 0 ? 0 : publishes / channelsOpened,
    reuseRatio: publishes === 0 ? 0 : Math.max(0, 1 - channelsOpened / publishes),
    waitMs: counters.waitMs.summary(),
    confirmMs: counters.confirmMs.summary(),
    maxLeased,
  }
}
