import { ChannelTally } from './channel-tally.ts'
import { Churn } from './churn.ts'
import { ConnectionTally } from './connection-tally.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { LatencyTimeline } from './latency-timeline.ts'
import type { LogRecord } from './log-line.ts'
import { amountOf, type Counts, countsInOrder, countUp, isoDate, textOf } from './log-values.ts'
import type { LatencyFigures, PoolFigures } from './pool-figures.ts'
import { reuseRatio, Timeline } from './timeline.ts'

/** Adds up the records of one pool. */
export class PoolTally {
  readonly #about: { pool: string; pid: number | null; hostname: string | null; run: number }
  readonly #channels = new ChannelTally()
  readonly #connections = new ConnectionTally()
  readonly #timeline = new Timeline()
  readonly #latencies = new LatencyTimeline()
  readonly #churn = new Churn()
  readonly #failures: Counts = new Map()
  readonly #retries: Counts = new Map()
  readonly #warnings: Counts = new Map()
  // Made when the first debug line asks for them: most logs have none.
  #waits: LatencyHistogram | undefined
  #confirms: LatencyHistogram | undefined
  #summary: LogRecord | undefined
  #hasOpenedSinceSummary = false
  #fromMs: number | undefined
  #toMs: number | undefined
  #failed = 0
  #retried = 0
  #leasesHeld = 0
  #isShared = false

  /** @param previous the tally of the pool whose place this one took, as a restart does. */
  constructor({ pool, pid, hostname }: LogRecord, previous?: PoolTally) {
    const run = previous === undefined ? 1 : previous.#about.run + 1
    this.#about = { pool, pid: pid ?? null, hostname: hostname ?? null, run }
    if (previous !== undefined) this.#connections.takeOver(previous.#connections)
  }

  /** When the last line was written. */
  get lastAtMs(): number {
    return this.#toMs ?? 0
  }

  /** Whether this record can't be of the pool that the others are of, but of one that took its place. */
  isOfNextRun(record: LogRecord): boolean {
    if (record.event === 'channel.open') return this.#channels.isOpenedAgain(record)
    return record.event === 'pool.summary' && this.#hasOpenedSinceSummary && this.#goesBackwards(record)
  }

  add(record: LogRecord): void {
    const { event, fields, timeMs } = record
    if (timeMs !== undefined) {
      this.#fromMs = Math.min(this.#fromMs ?? timeMs, timeMs)
      this.#toMs = Math.max(this.#toMs ?? timeMs, timeMs)
    }
    if (event.startsWith('connection.')) this.#connections.add(record)
    else this.#connections.settle()
    if (event.startsWith('channel.')) this.#channels.add(record)
    switch (event) {
      case 'channel.open':
        this.#hasOpenedSinceSummary = true
        if (timeMs === undefined) break
        this.#timeline.add('channelsOpened', timeMs)
        this.#churn.add(timeMs)
        break
      case 'channel.acquire':
        this.#waits = recorded(this.#waits, fields.waitMs)
        break
      case 'publish.confirm':
        this.#confirms = recorded(this.#confirms, fields.confirmMs)
        this.#latencies.addConfirm(record)
        break
      case 'publish.retry':
        this.#addRetries(record)
        break
      case 'publish.fail':
        this.#failed += 1
        countUp(this.#failures, textOf(fields.code) ?? '(no code)')
        this.#mark('failures', timeMs)
        break
      case 'connection.close':
        this.#mark('connectionsLost', timeMs)
        break
      case 'connection.blocked':
        this.#mark('blocked', timeMs)
        break
      case 'lease.held':
        this.#leasesHeld += 1
        break
      case 'pool.warning':
        countUp(this.#warnings, textOf(fields.reason) ?? '(no reason)')
        break
      case 'pool.summary':
        this.#addSummary(record)
    }
  }

  result(): PoolFigures {
    const counts = this.#counts()
    const { publishes, channelsOpened } = counts
    const { channels, leftOut } = this.#channels.list()
    const totals = this.#summary?.fields
    return {
      ...this.#about,
      from: isoDate(this.#fromMs),
      to: isoDate(this.#toMs),
      ...counts,
      publishesPerChannel: channelsOpened > 0 ? publishes / channelsOpened : null,
      reuseRatio: reuseRatio(publishes, channelsOpened),
      maxLeased: amountOf(totals?.maxLeased) ?? null,
      maxChannels: amountOf(totals?.maxChannels) ?? null,
      waitMs: latency(this.#waits, totals?.waitMs),
      confirmMs: latency(this.#confirms, totals?.confirmMs),
      lifetimeMs: this.#channels.lifetimeMs(),
      failuresByCode: countsInOrder(this.#failures),
      retriesByCode: countsInOrder(this.#retries),
      closeReasons: countsInOrder(this.#channels.closeReasons),
      ...this.#connections.result(),
      leasesHeld: this.#leasesHeld,
      warnings: countsInOrder(this.#warnings),
      churn: this.#churn.result(),
      isShared: this.#isShared,
      timeline: this.#timeline.result(),
      confirmTimeline: this.#latencies.result(),
      channels,
      channelsLeftOut: leftOut,
    }
  }

  #mark(what: 'failures' | 'retries' | 'connectionsLost' | 'blocked', timeMs: number | undefined, times = 1): void {
    if (timeMs !== undefined) this.#timeline.add(what, timeMs, times)
  }

  /** A line stands for one message, or for `more` of them that one fault hit. */
  #addRetries({ fields, timeMs }: LogRecord): void {
    const times = amountOf(fields.more) ?? 1
    this.#mark('retries', timeMs, times)
    this.#retried += times
    countUp(this.#retries, textOf(fields.code) ?? '(no code)', times)
  }

  #addSummary(record: LogRecord): void {
    const { fields, timeMs } = record
    const last = this.#summary
    const publishes = amountOf(fields.publishes)
    const isOlder = (timeMs ?? Number.POSITIVE_INFINITY) < (last?.timeMs ?? 0)
    // Rotated files are often read newest first: an older summary adds nothing to a newer one.
    if (publishes === undefined || isOlder) return
    if (this.#goesBackwards(record)) {
      this.#isShared = true
      return
    }
    const before = last === undefined && this.#sawAll(fields) ? 0 : amountOf(last?.fields.publishes)
    const sinceMs = last?.timeMs ?? this.#fromMs
    if (before !== undefined && sinceMs !== undefined && timeMs !== undefined) {
      this.#timeline.addPublishes(publishes - before, sinceMs, timeMs)
    }
    this.#summary = record
    this.#latencies.addSummary(record)
    this.#hasOpenedSinceSummary = false
  }

  /** Whether totals that only grow are lower than they were. */
  #goesBackwards({ fields, timeMs }: LogRecord): boolean {
    const last = this.#summary
    if (last === undefined || (timeMs ?? 0) < (last.timeMs ?? 0)) return false
    return ['publishes', 'channelsOpened'].some(
      (name) => (amountOf(fields[name]) ?? Number.POSITIVE_INFINITY) < (amountOf(last.fields[name]) ?? 0),
    )
  }

  /** Whether the log goes back to the making of the pool, so that all of a first summary happened within it. */
  #sawAll(totals: LogRecord['fields']): boolean {
    return (amountOf(totals.channelsOpened) ?? Number.POSITIVE_INFINITY) <= this.#channels.opened
  }

  #counts() {
    const channels = this.#channels
    const totals = this.#summary?.fields
    const hasClosed = channels.closed > 0
    const debugPublishes = Math.max(channels.releasedPublishes, this.#confirms?.count ?? 0)
    const countsFrom =
      totals !== undefined ? 'pool.summary' : hasClosed ? 'channel.close' : debugPublishes > 0 ? 'debug' : null
    return {
      countsFrom,
      publishes: amountOf(totals?.publishes) ?? (hasClosed ? channels.closedPublishes : debugPublishes),
      leases: amountOf(totals?.leases) ?? (hasClosed ? channels.closedLeases : channels.acquiredLeases),
      channelsOpened: amountOf(totals?.channelsOpened) ?? channels.opened,
      channelsClosed: amountOf(totals?.channelsClosed) ?? channels.closed,
      confirms: amountOf(totals?.confirms) ?? null,
      failures: amountOf(totals?.failures) ?? this.#failed,
      retries: amountOf(totals?.retries) ?? this.#retried,
      returns: amountOf(totals?.returns) ?? null,
    } as const
  }
}

function recorded(histogram: LatencyHistogram | undefined, ms: unknown): LatencyHistogram | undefined {
  const value = amountOf(ms)
  if (value === undefined) return histogram
  const kept = histogram ?? new LatencyHistogram()
  kept.record(value)
  return kept
}

function latency(lines: LatencyHistogram | undefined, summary: unknown): LatencyFigures | null {
  if (lines !== undefined) return { ...lines.summary(), from: 'lines' }
  const { p50, p99, max } = (summary ?? {}) as Record<string, unknown>
  const figures = { p50: amountOf(p50), p99: amountOf(p99), max: amountOf(max) }
  if (figures.p50 === undefined || figures.p99 === undefined || figures.max === undefined) return null
  return { p50: figures.p50, p99: figures.p99, max: figures.max, from: 'summary' }
}
