import { describe, expect, test } from '@jest/globals'
import { register as globalRegistry, Registry } from 'prom-client'
import { poolMetrics } from '../../../lib/observe/metrics/pool-metrics.ts'
import type { ProducerPool } from '../../../lib/pool/producer-pool.ts'
import { useBroker } from '../../support/broker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { failureOf } from '../../support/failure.ts'
import { makePool, NOWHERE, readyPool } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'
import { expositionOf } from './exposition.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** Publishes that are confirmed, returned and refused. */
async function use(pool: ProducerPool): Promise<void> {
  const routingKey = await queues.declare()
  await Promise.all(Array.from({ length: 20 }, () => pool.publish({ routingKey, body: 'x' })))
  await failureOf(pool.publish({ routingKey: queues.name(), body: 'x', mandatory: true }))
  await failureOf(pool.publish({ routingKey, body: 'x' }, { signal: AbortSignal.abort() }))
  await failureOf(pool.publish({ routingKey, body: 7 as never }))
}

describe('a scrape', () => {
  test('shows the figures of pool.stats()', async () => {
    const register = new Registry()
    const pool = await readyPool({ broker: broker.url, name: 'shop', maxChannels: 2 })
    poolMetrics(pool, { register })
    await use(pool)
    const lease = await pool.acquire()

    const { samples } = expositionOf(await register.metrics())
    const stats = pool.stats()
    const value = (name: string, labels = '') => samples.get(`pooled_producer_${name}{${labels}pool="shop"}`)
    lease.release()

    expect(stats).toMatchObject({ publishes: 23, confirms: 20, failures: 3, returns: 1, leased: 1 })
    expect({
      publishes: value('publishes_total'),
      confirms: value('confirms_total'),
      retries: value('retries_total'),
      returns: value('returns_total'),
      leases: value('leases_total'),
      channelsOpened: value('channels_opened_total'),
      channelsClosed: value('channels_closed_total'),
      leased: value('channels', 'state="leased",'),
      idle: value('channels', 'state="idle",'),
      connections: value('connections'),
      waiting: value('waiting'),
      inFlight: value('in_flight'),
      bufferedBytes: value('buffered_bytes'),
    }).toEqual({
      publishes: stats.publishes,
      confirms: stats.confirms,
      retries: stats.retries,
      returns: stats.returns,
      leases: stats.leases,
      channelsOpened: stats.channelsOpened,
      channelsClosed: stats.channelsClosed,
      leased: stats.leased,
      idle: stats.idle,
      connections: stats.connections,
      waiting: stats.waiting,
      inFlight: stats.inFlight,
      bufferedBytes: stats.bufferedBytes,
    })
    expect([value('connection_up'), value('connection_blocked')]).toEqual([1, 0])
  })

  test('counts failures by the code of their error', async () => {
    const register = new Registry()
    const pool = await readyPool({ broker: broker.url, name: 'shop' })
    poolMetrics(pool, { register })
    await use(pool)

    const { samples } = expositionOf(await register.metrics())
    const failures = [...samples].filter(([name, count]) => name.startsWith('pooled_producer_failures') && count > 0)

    expect(Object.fromEntries(failures)).toEqual({
      'pooled_producer_failures_total{code="ERR_UNROUTABLE",pool="shop"}': 1,
      'pooled_producer_failures_total{code="ERR_ABORTED",pool="shop"}': 1,
      'pooled_producer_failures_total{code="ERR_INVALID_OPTION",pool="shop"}': 1,
    })
    expect(samples.get('pooled_producer_failures_total{code="ERR_NACKED",pool="shop"}')).toBe(0)
  })

  test.each([
    ['confirm_seconds', 'confirms', 'confirmMs'],
    ['acquire_wait_seconds', 'leases', 'waitMs'],
  ] as const)('has a true histogram of %s', async (name, count, latencies) => {
    const register = new Registry()
    const pool = await readyPool({ broker: broker.url, name: 'shop' })
    poolMetrics(pool, { register })
    await use(pool)

    const { samples } = expositionOf(await register.metrics())
    const stats = pool.stats()
    const bucketStart = `pooled_producer_${name}_bucket{le="`
    const buckets = [...samples].filter(([key]) => key.startsWith(bucketStart))
    const bounds = buckets.map(([key]) => Number.parseFloat(key.slice(bucketStart.length).replace('+Inf', 'Infinity')))
    const counts = buckets.map(([, value]) => value)
    const sum = samples.get(`pooled_producer_${name}_sum{pool="shop"}`) as number

    expect(bounds).toEqual(bounds.toSorted((a, b) => a - b))
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(counts.at(-1)).toBe(stats[count])
    expect(samples.get(`pooled_producer_${name}_count{pool="shop"}`)).toBe(stats[count])
    // The largest is rounded to a microsecond, and the histogram knows a duration to 0.8 %.
    const atMostMs = (stats[latencies].max + 0.001) * 1.01
    // As many as were below the largest are below the bounds above it.
    for (const [place, bound] of bounds.entries()) {
      if (bound * 1_000 > atMostMs) expect(counts[place]).toBe(stats[count])
    }
    expect(sum).toBeGreaterThan(0)
    expect(sum).toBeLessThanOrEqual((stats[count] * atMostMs) / 1_000)
  })

  test('says that a pool without a broker is not up', async () => {
    const register = new Registry()
    poolMetrics(makePool({ broker: NOWHERE, name: 'shop' }), { register })

    const { samples } = expositionOf(await register.metrics())

    expect(samples.get('pooled_producer_connection_up{pool="shop"}')).toBe(0)
    expect(samples.get('pooled_producer_connections{pool="shop"}')).toBe(0)
  })

  test('follows the conventions for names, units and labels', async () => {
    const register = new Registry()
    poolMetrics(makePool({ broker: NOWHERE }), { register })

    const { families, samples } = expositionOf(await register.metrics())

    for (const { name, type, help } of families) {
      expect(name).toMatch(/^pooled_producer_[a-z]+(_[a-z]+)*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(name).not.toMatch(/_(ms|milliseconds|count|sum|bucket|counter|gauge|histogram)(_|$)/)
      if (type === 'histogram') expect(name).toMatch(/_seconds$/)
      expect(help).not.toBe('')
    }
    expect(families.map(({ type }) => type)).toEqual(expect.arrayContaining(['counter', 'gauge', 'histogram']))
    const labels = [...samples.keys()].flatMap((key) => [...key.matchAll(/([a-z]+)="/g)].map(([, label]) => label))
    expect(new Set(labels)).toEqual(new Set(['pool', 'code', 'state', 'le']))
  })

  test('in the format of OpenMetrics names its counters as that wants', async () => {
    const register = new Registry()
    register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
    const unregister = poolMetrics(makePool({ broker: NOWHERE }), { register })
    for (const _ of [1, 2]) {
      const text = await register.metrics()
      expect(text).toContain('# TYPE pooled_producer_publishes counter\n')
      expect(text).toContain('pooled_producer_publishes_total{pool="default"} 0\n')
    }
    unregister()

    expect(await register.metrics()).not.toContain('pooled_producer')
  })
})

describe('one registry', () => {
  test('takes several pools of different names', async () => {
    const register = new Registry()
    const [shop, mail] = [
      await readyPool({ broker: broker.url, name: 'shop' }),
      makePool({ broker: NOWHERE, name: 'mail' }),
    ]
    for (const pool of [shop, mail]) poolMetrics(pool, { register })
    await use(shop)

    const { samples } = expositionOf(await register.metrics())

    expect(samples.get('pooled_producer_confirms_total{pool="shop"}')).toBe(20)
    expect(samples.get('pooled_producer_confirms_total{pool="mail"}')).toBe(0)
  })

  test('refuses a pool that it has, and a second pool of the same name', () => {
    const register = new Registry()
    const pool = makePool({ broker: NOWHERE, name: 'shop' })
    poolMetrics(pool, { register })
    const again = (other: ProducerPool) => () => poolMetrics(other, { register })

    expect(again(pool)).toThrow(invalid(/the pool "shop" is in this registry already/))
    expect(again(makePool({ broker: NOWHERE, name: 'shop' }))).toThrow(invalid(/give one of them another name/))
  })

  test('lets go of a pool, and of the metrics with the last', async () => {
    const register = new Registry()
    const [shop, mail] = [makePool({ broker: NOWHERE, name: 'shop' }), makePool({ broker: NOWHERE, name: 'mail' })]
    const [unregisterShop, unregisterMail] = [shop, mail].map((pool) => poolMetrics(pool, { register }))
    unregisterShop?.()
    unregisterShop?.()

    expect(await register.metrics()).not.toContain('pool="shop"')
    expect(await register.metrics()).toContain('pool="mail"')
    unregisterMail?.()
    expect(register.getMetricsAsArray()).toEqual([])
    poolMetrics(shop, { register })
    expect(await register.metrics()).toContain('pool="shop"')
  })

  test('that was cleared begins anew, and one that was reset forgets nothing', async () => {
    const register = new Registry()
    const pool = await readyPool({ broker: broker.url, name: 'shop' })
    const unregister = poolMetrics(pool, { register })
    register.clear()
    poolMetrics(pool, { register })
    unregister()
    await use(pool)
    register.resetMetrics()

    expect(await register.metrics()).toContain('pooled_producer_confirms_total{pool="shop"} 20\n')
  })

  test('is the global one where none is given', async () => {
    afterTest(poolMetrics(makePool({ broker: NOWHERE, name: 'shop' })))

    expect(await globalRegistry.metrics()).toContain('pooled_producer_publishes_total{pool="shop"} 0\n')
  })

  test('that has another metric by a name of ours is refused', () => {
    const register = new Registry()
    register.registerMetric({ name: 'pooled_producer_waiting' } as never)

    expect(() => poolMetrics(makePool({ broker: NOWHERE }), { register })).toThrow(
      invalid(/has another metric by the name of pooled_producer_waiting/),
    )
  })
})

test.each([
  [() => poolMetrics({} as never), /poolMetrics takes a pool of pooled-producer, got an object/],
  [() => poolMetrics(undefined as never), /poolMetrics takes a pool of pooled-producer, got undefined/],
  [
    () => poolMetrics(makePool({ broker: NOWHERE }), { register: {} as never }),
    /register must be a Registry of prom-client, got an object/,
  ],
])('what is no pool, or no registry, is ERR_INVALID_OPTION: %s', (call, message) => {
  expect(call).toThrow(invalid(message))
})

function invalid(message: RegExp): Error {
  return expect.objectContaining({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(message),
  }) as unknown as Error
}
