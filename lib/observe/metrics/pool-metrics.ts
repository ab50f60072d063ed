import { register as globalRegistry, type Metric, type Registry } from 'prom-client'
import { PooledProducerError } from '../../errors.ts'
import { describe } from '../../shown-value.ts'
import { METRICS, type MeasuredPool } from './metric-table.ts'
import { ScrapedMetric } from './scraped-metric.ts'

export type { MeasuredPool }

/** What `poolMetrics` takes beside the pool. */
export interface PoolMetricsOptions {
  /** The registry that is scraped. Default: prom-client's global one. */
  readonly register?: Registry
}

/** The pools of one registry, and the metrics that show them. */
interface Exhibit {
  readonly pools: Set<MeasuredPool>
  readonly metrics: readonly ScrapedMetric[]
}

const exhibits = new WeakMap<Registry, Exhibit>()

/**
 * Shows a pool's figures to Prometheus, through prom-client. They are read from the pool when somebody scrapes;
 * between scrapes they cost nothing. Gives a function that takes the pool off the registry again.
 *
 * Pools of different names share a registry: their label `pool` tells them apart.
 *
 * @example
 * poolMetrics(pool)
 * server.get('/metrics', async (_, reply) => reply.type(register.contentType).send(await register.metrics()))
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION for what is no pool or no registry, and for a pool whose name
 *   the registry has already.
 */
export function poolMetrics(pool: MeasuredPool, options: PoolMetricsOptions = {}): () => void {
  const { register = globalRegistry } = options
  if (typeof pool?.stats !== 'function' || pool.counters === undefined) {
    throw invalid(`poolMetrics takes a pool of pooled-producer, got ${describe(pool)}`)
  }
  if (typeof register?.registerMetric !== 'function') {
    throw invalid(`register must be a Registry of prom-client, got ${describe(register)}`)
  }
  const exhibit = exhibitOf(register)
  const { name } = pool.options
  if (exhibit.pools.has(pool)) throw invalid(`the pool ${describe(name)} is in this registry already`)
  if ([...exhibit.pools].some(({ options }) => options.name === name)) {
    throw invalid(`the registry has another pool ${describe(name)}: give one of them another name`)
  }
  exhibit.pools.add(pool)
  return () => {
    exhibit.pools.delete(pool)
    if (exhibit.pools.size === 0) remove(register, exhibit)
  }
}

function exhibitOf(register: Registry): Exhibit {
  const known = exhibits.get(register)
  // Whoever clears a registry begins anew.
  if (known?.metrics.every((metric) => isIn(register, metric))) return known
  const pools = new Set<MeasuredPool>()
  const metrics = METRICS.map((rule) => new ScrapedMetric(rule, pools))
  const taken = metrics.find(({ key }) => register.getSingleMetric(key) !== undefined)
  if (taken !== undefined) throw invalid(`the registry has another metric by the name of ${taken.key}`)
  for (const metric of metrics) register.registerMetric(metric as unknown as Metric)
  const exhibit = { pools, metrics }
  exhibits.set(register, exhibit)
  return exhibit
}

function remove(register: Registry, { metrics }: Exhibit): void {
  for (const metric of metrics) if (isIn(register, metric)) register.removeSingleMetric(metric.key)
}

function isIn(register: Registry, metric: ScrapedMetric): boolean {
  return (register.getSingleMetric(metric.key) as unknown) === metric
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
