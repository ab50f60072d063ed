import { type LogRecord, readLogLine, type SkipReason } from './log-line.ts'
import type { PoolFigures } from './pool-figures.ts'
import { PoolTally } from './pool-tally.ts'
import { adviceFor } from './reuse-advice.ts'
import { reuseRatio } from './timeline.ts'

/** The figures of one pool with what they ask for, in plain words. */
export interface PoolReport extends PoolFigures {
  readonly advice: readonly string[]
}

/** Sums over all pools in a log. */
export interface ReuseTotals {
  readonly pools: number
  readonly publishes: number
  readonly leases: number
  readonly channelsOpened: number
  readonly channelsClosed: number
  readonly publishesPerChannel: number | null
  /** 1 - channelsOpened / publishes; null when nothing was published. */
  readonly reuseRatio: number | null
  readonly failures: number
  readonly retries: number
  readonly reconnects: number
}

/** What a log says about the reuse of channels. */
export interface ReuseReportResult {
  /** Lines of ours. */
  readonly records: number
  /** Lines passed over. */
  readonly skipped: Readonly<Record<SkipReason, number>>
  /** ISO dates of the first and the last record. */
  readonly from: string | null
  readonly to: string | null
  readonly totals: ReuseTotals
  /** The pools that published most first. */
  readonly pools: readonly PoolReport[]
  /** Pools that are in the totals but not in `pools`, because there were too many. */
  readonly poolsLeftOut: number
}

/** Pools told apart at once. One whose last line is oldest makes room for the next. */
const MAX_POOLS = 250

const SUMMED = ['publishes', 'leases', 'channelsOpened', 'channelsClosed', 'failures', 'retries', 'reconnects'] as const
type Sums = Record<(typeof SUMMED)[number], number>

/**
 * Reads log lines of pools, one after the other, into the measure of channel reuse, in bounded memory.
 * Pools are told apart by name, process and host; files of one process are best read in the order of time.
 */
export class ReuseReport {
  readonly #tallies = new Set<PoolTally>()
  /** The tally of the pool that now has a name, process and host. */
  readonly #current = new Map<string, PoolTally>()
  readonly #skipped: Record<SkipReason, number> = { notJson: 0, otherRecords: 0, truncated: 0 }
  #records = 0
  #leftOut: { sums: Sums; pools: number } = { sums: zeros(), pools: 0 }

  /** Counts one line, without its line break. */
  add(line: string): void {
    const record = readLogLine(line)
    if (record === undefined) return
    if (typeof record === 'string') {
      this.#skipped[record] += 1
      return
    }
    this.#records += 1
    this.#tallyOf(record).add(record)
  }

  /** The figures so far; more lines may follow. */
  result(): ReuseReportResult {
    const pools = [...this.#tallies]
      .map((tally) => tally.result())
      .map((figures) => ({ ...figures, advice: adviceFor(figures) }))
      .sort((a, b) => b.publishes - a.publishes)
    const sums = pools.reduce(added, this.#leftOut.sums)
    const { publishes, channelsOpened } = sums
    const dates = pools.flatMap(({ from, to }) => [from, to]).filter((date) => date !== null)
    dates.sort()
    return {
      records: this.#records,
      skipped: { ...this.#skipped },
      from: dates[0] ?? null,
      to: dates.at(-1) ?? null,
      totals: {
        pools: pools.length + this.#leftOut.pools,
        ...sums,
        publishesPerChannel: channelsOpened > 0 ? publishes / channelsOpened : null,
        reuseRatio: reuseRatio(publishes, channelsOpened),
      },
      pools,
      poolsLeftOut: this.#leftOut.pools,
    }
  }

  #tallyOf(record: LogRecord): PoolTally {
    const key = `${record.pid}\n${record.hostname}\n${record.pool}`
    const current = this.#current.get(key)
    if (current !== undefined && !current.isOfNextRun(record)) return current
    if (this.#tallies.size >= MAX_POOLS) this.#leaveOutOldest()
    const tally = new PoolTally(record, current)
    this.#tallies.add(tally)
    this.#current.set(key, tally)
    return tally
  }

  #leaveOutOldest(): void {
    const [oldest] = [...this.#tallies].sort((a, b) => a.lastAtMs - b.lastAtMs)
    if (oldest === undefined) return
    this.#tallies.delete(oldest)
    this.#leftOut = { sums: added(this.#leftOut.sums, oldest.result()), pools: this.#leftOut.pools + 1 }
    for (const [key, tally] of this.#current) if (tally === oldest) this.#current.delete(key)
  }
}

function zeros(): Sums {
  return Object.fromEntries(SUMMED.map((name) => [name, 0])) as Sums
}

function added(sums: Sums, figures: Sums): Sums {
  return Object.fromEntries(SUMMED.map((name) => [name, sums[name] + figures[name]])) as Sums
}
