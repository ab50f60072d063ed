import type { MeasuredPool, MetricRule } from './metric-table.ts'

const PREFIX = 'pooled_producer_'

/** A sample in the shape of prom-client's own metrics. */
interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/**
 * One metric of all pools in a registry of prom-client's, which calls `get` at each scrape. prom-client's own
 * classes count for themselves; here the pools have counted already, and nothing is paid between scrapes.
 */
export class ScrapedMetric {
  /** What the registry knows it by. */
  readonly key: string
  /** prom-client writes here: in OpenMetrics a counter's name has no `_total`. */
  name: string
  readonly help: string
  readonly type: MetricRule['type']
  /** How prom-client adds up the metrics of a cluster's processes. */
  readonly aggregator = 'sum'
  readonly #rule: MetricRule
  readonly #pools: ReadonlySet<MeasuredPool>

  constructor(rule: MetricRule, pools: ReadonlySet<MeasuredPool>) {
    this.key = PREFIX + rule.name
    this.name = this.key
    this.help = rule.help
    this.type = rule.type
    this.#rule = rule
    this.#pools = pools
  }

  // It reads before its first await, as do all others: one scrape shows one moment.
  async get(): Promise<object> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: [...this.#pools].flatMap((pool) => this.#samples(pool)) }
  }

  /** Nothing: what a pool has counted is not the registry's to forget. */
  reset(): void {}

  #samples(pool: MeasuredPool): Sample[] {
    return this.#rule.read(pool).map(({ value, labels, suffix }) => ({
      value,
      labels: { ...labels, pool: pool.options.name },
      ...(suffix !== undefined && { metricName: this.name + suffix }),
    }))
  }
}
