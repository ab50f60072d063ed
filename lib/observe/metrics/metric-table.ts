import { ERROR_CODES, type ErrorCode } from '../../errors.ts'
import type { LatencyHistogram } from '../latency-histogram.ts'

/** What the metrics see of a pool. */
export interface MeasuredPool {
  readonly options: { readonly name: string }
  stats(): MeasuredStats
  readonly counters: {
    readonly failuresByCode: ReadonlyMap<ErrorCode, number>
    readonly waitMs: LatencyHistogram
    readonly confirmMs: LatencyHistogram
  }
}

type CountName = 'publishes' | 'confirms' | 'retries' | 'returns' | 'leases' | 'channelsOpened' | 'channelsClosed'
type LevelName = 'connections' | 'leased' | 'idle' | 'waiting' | 'inFlight' | 'bufferedBytes'

type MeasuredStats = Readonly<Record<CountName | LevelName, number>> & { readonly state: string }

/** One line of an exposition, but for its pool. */
export interface Reading {
  readonly value: number
  readonly labels?: Readonly<Record<string, string | number>>
  /** What follows the metric's name, for the parts of a histogram. */
  readonly suffix?: string
}

/** One metric: its name without prefix, and how it is read from a pool when somebody asks. */
export interface MetricRule {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  read(pool: MeasuredPool): readonly Reading[]
}

/** In seconds, from what a broker on the same host takes to the default time limit of a publish. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const BOUNDS_MS = BOUNDS.map((seconds) => seconds * 1_000)

/** All metrics. The names are public: people's dashboards search for them. */
export const METRICS: readonly MetricRule[] = [
  counter('publishes_total', 'publishes', 'Messages that were handed in'),
  counter('confirms_total', 'confirms', 'Messages that the broker confirmed'),
  {
    name: 'failures_total',
    type: 'counter',
    help: 'Messages that failed, by the code of the error',
    // Those that have not happened are 0: an alert on a series that is not there never fires.
    read: ({ counters }) =>
      ERROR_CODES.map((code) => ({ value: counters.failuresByCode.get(code) ?? 0, labels: { code } })),
  },
  counter('retries_total', 'retries', 'Messages that were sent again after a fault'),
  counter('returns_total', 'returns', 'Messages that no queue took'),
  counter('leases_total', 'leases', 'Times that a channel was leased'),
  counter('channels_opened_total', 'channelsOpened', 'Channels that were opened'),
  counter('channels_closed_total', 'channelsClosed', 'Channels that were closed'),
  {
    name: 'channels',
    type: 'gauge',
    help: 'Open channels, leased or idle',
    read: (pool) => {
      const { leased, idle } = pool.stats()
      return [
        { value: leased, labels: { state: 'leased' } },
        { value: idle, labels: { state: 'idle' } },
      ]
    },
  },
  gauge('connections', 'connections', 'Open connections'),
  stateGauge('connection_up', 'Whether a connection that publishes is open: 1 or 0', ['open', 'blocked']),
  stateGauge('connection_blocked', 'Whether the broker blocks all connections that publish: 1 or 0', ['blocked']),
  gauge('waiting', 'waiting', 'Acquires and messages that wait'),
  gauge('in_flight', 'inFlight', 'Messages that are written and not confirmed'),
  gauge('buffered_bytes', 'bufferedBytes', 'Bytes of the messages that wait or are in flight'),
  histogram('confirm_seconds', 'confirmMs', 'From the last write of a message to its confirm'),
  histogram('acquire_wait_seconds', 'waitMs', 'How long leases waited for a channel'),
]

function counter(name: string, count: CountName, help: string): MetricRule {
  return { name, type: 'counter', help, read: (pool) => [{ value: pool.stats()[count] }] }
}

function gauge(name: string, level: LevelName, help: string): MetricRule {
  return { name, type: 'gauge', help, read: (pool) => [{ value: pool.stats()[level] }] }
}

function stateGauge(name: string, help: string, states: readonly string[]): MetricRule {
  return { name, type: 'gauge', help, read: (pool) => [{ value: states.includes(pool.stats().state) ? 1 : 0 }] }
}

function histogram(name: string, figure: 'confirmMs' | 'waitMs', help: string): MetricRule {
  return { name, type: 'histogram', help, read: ({ counters }) => distribution(counters[figure]) }
}

function distribution(latencies: LatencyHistogram): Reading[] {
  const counts = latencies.cumulativeCounts(BOUNDS_MS)
  const buckets = BOUNDS.map((le, place) => ({ suffix: '_bucket', labels: { le }, value: counts[place] as number }))
  return [
    ...buckets,
    { suffix: '_bucket', labels: { le: '+Inf' }, value: latencies.count },
    { suffix: '_sum', value: latencies.sumMs() / 1_000 },
    { suffix: '_count', value: latencies.count },
  ]
}
