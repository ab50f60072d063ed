import { expect, test } from '@jest/globals'
import type { Producer } from '../../lib/pool/producer.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

test('minChannels are opened at once, without anybody asking', async () => {
  const pool = makePool({ broker: broker.url, minChannels: 3 })
  await until(() => pool.stats().idle === 3)

  expect(pool.stats()).toMatchObject({ channels: 3, leases: 0 })
})

test('with minChannels 0 the first channel is opened for the first who asks', async () => {
  const pool = makePool({ broker: broker.url, minChannels: 0 })
  await until(() => pool.state === 'open')
  expect(pool.stats()).toMatchObject({ channels: 0, connections: 1 })

  await pool.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
  expect(pool.stats().channels).toBe(1)
})

test('idle channels above minChannels are closed, and minChannels are kept', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, minChannels: 2, maxChannels: 6, idleTimeoutMs: 60, logger })
  releaseAll(await acquireMany(pool, 6))
  expect(pool.stats().channels).toBe(6)
  await until(() => pool.stats().channelsClosed === 4)
  // Several runs of the eviction later it is still the same two.
  await spin(250)

  expect(pool.stats()).toMatchObject({ channels: 2, idle: 2, channelsOpened: 6, channelsClosed: 4 })
  expect(logger.of('channel.close').map(({ reason }) => reason)).toEqual(['idle', 'idle', 'idle', 'idle'])
  expect(logger.of('channel.close')[0]).toMatchObject({ leases: 1, publishes: 0, lifetimeMs: expect.any(Number) })
})

test('a channel in use is never idle', async () => {
  const pool = makePool({ broker: broker.url, minChannels: 0, idleTimeoutMs: 30 })
  const producer = await pool.acquire()
  await spin(200)

  expect(pool.stats()).toMatchObject({ channels: 1, channelsClosed: 0 })
  await producer.publish({ routingKey: await queues.declare(), body: 'x' })
  producer.release()
  await until(() => pool.stats().channels === 0)
})

test('an idle channel with messages in flight is closed after their confirms', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, minChannels: 0, idleTimeoutMs: 300 })
  const queue = await queues.declare()
  await proxy.set('delay', { ms: 60_000 })
  const confirmed = pool.publish({ routingKey: queue, body: 'x' })
  await until(() => pool.stats().idle === 1)
  await until(() => pool.stats().idle === 0)
  expect(pool.stats()).toMatchObject({ inFlight: 1, channels: 1 })
  await proxy.set('pass')

  await confirmed
  await until(() => pool.stats().channels === 0)
  expect(pool.stats()).toMatchObject({ retries: 0, confirms: 1 })
})

test('a channel older than maxChannelAgeMs is replaced when it is given back, and loses nothing', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, maxChannelAgeMs: 40, logger })
  const queue = await queues.declare()
  const first = await pool.acquire()
  await spin(60)
  const confirmed = first.publish({ routingKey: queue, body: 'x' })
  first.release()
  expect(await confirmed).toMatchObject({ attempts: 1, channel: first.channelId })

  const next = await pool.acquire()
  expect(next.channelId).not.toBe(first.channelId)
  next.release()
  await until(() => logger.of('channel.close').length > 0)
  expect(logger.of('channel.close')[0]).toMatchObject({
    channel: first.channelId,
    publishes: 1,
    reason: 'maxChannelAgeMs',
  })
})

test('a retired channel counts for maxChannels until its messages are settled: the broker counts it too', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, maxChannels: 1, maxChannelAgeMs: 1 })
  await proxy.set('delay', { ms: 60_000 })
  const first = await pool.acquire()
  const confirmed = first.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
  await spin(5)
  first.release()

  const waiting = pool.acquire()
  await until(() => pool.stats().waiting === 1)
  await spin(20)
  expect(pool.stats()).toMatchObject({ channels: 1, leased: 0, inFlight: 1 })
  await proxy.set('pass')

  await confirmed
  const next = await waiting
  expect(pool.stats()).toMatchObject({ channels: 1, leased: 1, channelsOpened: 2, channelsClosed: 1 })
  next.release()
})

test('there are never more channels than maxChannels, however many ask', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, maxChannels: 4, logger })
  let most = 0
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      const producer = await pool.acquire()
      most = Math.max(most, pool.stats().channels, pool.stats().leased)
      await producer.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
      producer.release()
    }),
  )

  expect(most).toBe(4)
  expect(pool.stats()).toMatchObject({ leases: 200, maxLeased: 4, channelsOpened: 4, leased: 0, idle: 4 })
  expect(logger.of('channel.open')).toHaveLength(4)
})

test('channels are spread over the connections, also when they are opened at the same time', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, connections: 2, minChannels: 0, maxChannels: 4, logger })
  await until(() => pool.stats().connections === 2)
  releaseAll(await acquireMany(pool, 4))

  const places = logger.of('channel.open').map(({ connection }) => String(connection))
  expect(places.sort()).toEqual(['1', '1', '2', '2'])
})

test('channels that died while idle are never leased, and leave no place taken', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = makePool({ broker: proxy.url, maxChannels: 3 })
  const before = await acquireMany(pool, 3)
  releaseAll(before)
  proxy.reset()
  await until(() => pool.stats().channelsClosed === 3)
  const after = await acquireMany(pool, 3)

  for (const lease of after) {
    expect(before.map(({ channelId }) => channelId)).not.toContain(lease.channelId)
    await lease.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
  }
  releaseAll(after)
  expect(pool.stats()).toMatchObject({ channels: 3, idle: 3 })
})

test('a channel that was just given back is idle, and lent to whoever asks next', async () => {
  const pool = await readyPool({ broker: broker.url, maxChannels: 1 })
  const first = await pool.acquire()
  first.release()
  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })

  const next = await pool.acquire({ block: false })
  expect(next.channelId).toBe(first.channelId)
  expect(pool.stats()).toMatchObject({ leased: 1, idle: 0, leases: 2 })
  await expect(pool.acquire({ block: false })).rejects.toMatchObject({ code: 'ERR_POOL_EXHAUSTED' })
})

test('a channel that died just after it was given back is not lent again', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, maxChannels: 1 })
  const first = await pool.acquire()
  first.release()
  proxy.reset()
  await until(() => pool.stats().channelsClosed === 1)

  const next = await pool.acquire()
  expect(next.channelId).not.toBe(first.channelId)
  await next.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
  next.release()
  expect(pool.stats()).toMatchObject({ channels: 1, idle: 1, leased: 0 })
})

test('whoever waited longest gets the channel that is given back', async () => {
  const pool = await readyPool({ broker: broker.url, maxChannels: 1 })
  const order: number[] = []
  const holder = await pool.acquire()
  const waiting = [1, 2, 3].map(async (number) => {
    const producer = await pool.acquire()
    order.push(number)
    producer.release()
  })
  holder.release()
  await Promise.all(waiting)

  expect(order).toEqual([1, 2, 3])
})

test('waiters of a broker that is away hold no turn of the event loop', async () => {
  const pool = makePool({ broker: NOWHERE, maxChannels: 8, acquireTimeoutMs: 1_000 })
  const waiters = Array.from({ length: 50 }, () => pool.acquire().catch(({ code }) => code))
  let turns = 0
  const count = setInterval(() => turns++, 5)
  const codes = await Promise.all(waiters)
  clearInterval(count)

  expect(new Set(codes)).toEqual(new Set(['ERR_ACQUIRE_TIMEOUT']))
  expect(turns).toBeGreaterThan(20)
})

async function acquireMany(pool: ProducerPool, count: number): Promise<Producer[]> {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()))
}

function releaseAll(leases: readonly Producer[]): void {
  for (const lease of leases) lease.release()
}

/** Lets so much time pass: for what must not happen in it. */
async function spin(ms: number): Promise<void> {
  const end = performance.now() + ms
  await until(() => performance.now() >= end)
}
