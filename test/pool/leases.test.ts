import { expect, test } from '@jest/globals'
import type { Producer } from '../../lib/pool/producer.ts'
import { useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

test('a released channel is leased again, and none is opened for it', async () => {
  const pool = makePool({ broker: broker.url })
  const first = await pool.acquire()
  pool.release(first)
  const second = await pool.acquire()
  second.release()

  expect(second.channelId).toBe(first.channelId)
  expect(second.lease).toBe(first.lease + 1)
  expect(pool.stats()).toMatchObject({ leases: 2, channelsOpened: 1, leased: 0, idle: 1 })
})

test('two leases at once are two channels', async () => {
  const pool = makePool({ broker: broker.url })
  const [one, other] = await Promise.all([pool.acquire(), pool.acquire()])

  expect(one.channelId).not.toBe(other.channelId)
  expect(pool.stats()).toMatchObject({ leased: 2, maxLeased: 2, channels: 2 })
})

test('the channel that was given back last is leased first, so that the others can become idle', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 3 })
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  for (const lease of leases) lease.release()

  for (let round = 0; round < 3; round++) {
    const lease = await pool.acquire()
    expect(lease.channelId).toBe(leases[2]?.channelId)
    lease.release()
  }
})

test('a second release is ERR_NOT_LEASED, and harms nobody', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const producer = await pool.acquire()
  producer.release()

  expect(() => pool.release(producer)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED', retryable: false }))
  const next = await pool.acquire()
  // The channel is the next one's now, and a late release must not take it from them.
  expect(() => producer.release()).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
  expect(pool.stats()).toMatchObject({ leased: 1, idle: 0 })
  await next.publish({ routingKey: await queues.declare(), body: 'x' })
  next.release()
  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1, channels: 1 })
})

test("the release of another pool's producer is ERR_NOT_LEASED, and harms neither pool", async () => {
  const [pool, other] = [makePool({ broker: broker.url }), makePool({ broker: broker.url })]
  const producer = await other.acquire()

  expect(() => pool.release(producer)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
  expect(other.stats().leased).toBe(1)
  other.release(producer)
})

test.each([undefined, null, 1, {}, { channel: 1 }])('the release of %p is ERR_NOT_LEASED', async (value) => {
  const pool = makePool({ broker: broker.url })

  expect(() => pool.release(value as never)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
})

test('a publish after the release is ERR_PRODUCER_RELEASED and is not sent', async () => {
  const pool = makePool({ broker: broker.url })
  const queue = await queues.declare()
  const producer = await pool.acquire()
  producer.release()

  expect(producer.isReleased).toBe(true)
  await expect(producer.publish({ routingKey: queue, body: 'x' })).rejects.toMatchObject({
    code: 'ERR_PRODUCER_RELEASED',
    outcome: 'not-sent',
  })
  expect(await queues.depth(queue)).toBe(0)
})

test('a publish of a lease that is refused at once is counted and logged, awaited or not', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, logger })
  const producer = await pool.acquire()
  void producer.publish({ routingKey: 5 as never, body: 'x' })
  void producer.publish({ routingKey: 'q', body: 'x' }, { timeoutMs: 0 })
  producer.release()
  void producer.publish({ routingKey: 'q', body: 'x' })

  expect(pool.stats()).toMatchObject({ publishes: 3, failures: 3 })
  expect(logger.of('publish.fail')).toMatchObject([
    { level: 'error', code: 'ERR_INVALID_OPTION', outcome: 'not-sent' },
    { level: 'error', code: 'ERR_INVALID_OPTION', outcome: 'not-sent' },
    { level: 'error', code: 'ERR_PRODUCER_RELEASED', outcome: 'not-sent' },
  ])
})

test('await using releases at the end of the block, and keeps the channel open', async () => {
  const pool = makePool({ broker: broker.url })
  let channel = 0
  {
    await using producer = await pool.acquire()
    channel = producer.channelId
    expect(pool.stats().leased).toBe(1)
  }

  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1, channelsClosed: 0 })
  const next = await pool.acquire()
  expect(next.channelId).toBe(channel)
})

test('await using allows an earlier release', async () => {
  const pool = makePool({ broker: broker.url })
  {
    await using producer = await pool.acquire()
    producer.release()
  }

  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
})

test('use gives what the function gives, and releases', async () => {
  const pool = makePool({ broker: broker.url })
  const queue = await queues.declare()

  const receipt = await pool.use((producer) => producer.publish({ routingKey: queue, body: 'x' }))
  const value = await pool.use(() => 42)

  expect(receipt).toMatchObject({ attempts: 1 })
  expect(value).toBe(42)
  expect(pool.stats()).toMatchObject({ leased: 0, leases: 2, channelsOpened: 1 })
})

test('use allows the function to release by itself', async () => {
  const pool = makePool({ broker: broker.url })

  await pool.use((producer) => producer.release())
  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
})

test.each([
  ['rejects', async () => Promise.reject(new Error('mine'))],
  [
    'throws',
    () => {
      throw new Error('mine')
    },
  ],
])('use releases when the function %s, and the error is the caller’s alone', async (_, run) => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const unhandled: unknown[] = []
  const note = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', note)

  await expect(pool.use(run)).rejects.toThrow('mine')
  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  // Unhandled rejections are told once the microtasks are done.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test('with block: false an acquire is refused at once when no channel is free', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const producer = await pool.acquire()

  const error = await failureOf(pool.acquire({ block: false }))
  expect(error).toMatchObject({ code: 'ERR_POOL_EXHAUSTED', retryable: true, stats: { leased: 1, idle: 0 } })
  expect(error.message).toMatch(/1 leased, 0 idle/)

  producer.release()
  const next = await pool.acquire({ block: false })
  await expect(pool.acquire({ block: false })).rejects.toMatchObject({ code: 'ERR_POOL_EXHAUSTED' })
  next.release()
})

test('one acquire more than maxWaiting is refused at once, and the others still get their turn', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1, maxWaiting: 2 })
  const producer = await pool.acquire()
  const waiting = [pool.acquire(), pool.acquire()]

  const error = await failureOf(pool.acquire())
  expect(error).toMatchObject({ code: 'ERR_POOL_EXHAUSTED', retryable: true, stats: { waiting: 2 } })
  expect(error.message).toMatch(/maxWaiting \(2\)/)

  producer.release()
  for (const turn of waiting) (await turn).release()
})

test('with maxWaiting 0 a free channel can be had, and nobody waits for another', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1, maxWaiting: 0 })
  await until(() => pool.stats().idle === 1)

  const producer = await pool.acquire()
  await expect(pool.acquire()).rejects.toMatchObject({ code: 'ERR_POOL_EXHAUSTED' })
  producer.release()
})

test('an acquire that waits in vain says after its time how many channels there are and who has them', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 2 })
  const held = await Promise.all([pool.acquire(), pool.acquire()])
  const startedAt = performance.now()

  const error = await failureOf(pool.acquire({ timeoutMs: 120 }))
  const waitedMs = performance.now() - startedAt
  expect(error).toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT', retryable: true, stats: { leased: 2, idle: 0 } })
  expect(error.message).toMatch(/120 ms \(2 leased, 0 idle, 1 waiting, maxChannels 2\)/)
  expect(waitedMs).toBeGreaterThan(115)
  // Not the 5 s which the pool gives an acquire of its own.
  expect(waitedMs).toBeLessThan(4_000)

  for (const lease of held) lease.release()
  await until(() => pool.stats().idle === 2)
  expect(pool.stats()).toMatchObject({ leased: 0, waiting: 0 })
})

test('a channel that is given back is free at once, though somebody gave up waiting for it', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const producer = await pool.acquire()
  await expect(pool.acquire({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
  producer.release()

  const next = await pool.acquire({ block: false })
  next.release()
})

test('an acquire while the broker is away is rejected by its deadline, with the real cause', async () => {
  const pool = makePool({ broker: NOWHERE, acquireTimeoutMs: 300 })

  const error = await failureOf(pool.acquire())
  expect(error).toMatchObject({
    code: 'ERR_ACQUIRE_TIMEOUT',
    stats: { state: 'connecting' },
    cause: { code: 'ERR_BROKER_UNAVAILABLE' },
  })
  expect(error.message).toMatch(/ECONNREFUSED/)
})

test('a fault that is over is no cause of a later timeout', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, maxChannels: 1 })
  await proxy.set('refuse')
  proxy.reset()
  await until(() => pool.stats().connections === 0)
  await expect(pool.acquire({ timeoutMs: 300 })).rejects.toMatchObject({ cause: { code: 'ERR_BROKER_UNAVAILABLE' } })
  await proxy.set('pass')
  const producer = await pool.acquire()

  const error = await failureOf(pool.acquire({ timeoutMs: 30 }))
  expect(error).toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT', stats: { state: 'open', leased: 1 } })
  expect(error.cause).toBeUndefined()
  const unsent = await failureOf(pool.publish({ routingKey: queues.name(), body: 'x' }, { timeoutMs: 30 }))
  expect(unsent).toMatchObject({ code: 'ERR_PUBLISH_TIMEOUT', outcome: 'not-sent' })
  expect(unsent.cause).toBeUndefined()
  producer.release()
})

test('an acquire waits for the broker, and succeeds when it comes within the deadline', async () => {
  const proxy = await makeProxy(broker.url)
  await proxy.set('refuse')
  const pool = makePool({ broker: proxy.url })
  const acquiring = pool.acquire({ timeoutMs: 10_000 })
  await expect(pool.acquire({ timeoutMs: 150 })).rejects.toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
  await proxy.set('pass')

  const producer = await acquiring
  await producer.publish({ routingKey: await queues.declare(), body: 'x' })
})

test('an acquire with a signal that is aborted already is ERR_ABORTED, and takes no channel', async () => {
  const pool = await readyPool({ broker: broker.url })
  const reason = new Error('no longer needed')

  await expect(pool.acquire({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
    cause: reason,
  })
  expect(pool.stats()).toMatchObject({ leased: 0, waiting: 0 })
})

test('an abort ends the wait for a channel, and the others of the line move up', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const producer = await pool.acquire()
  const controller = new AbortController()
  const leaving = pool.acquire({ signal: controller.signal })
  const staying = pool.acquire()
  controller.abort()

  await expect(leaving).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  expect(pool.stats().waiting).toBe(1)
  producer.release()
  const next = await staying
  controller.abort()
  await next.publish({ routingKey: await queues.declare(), body: 'x' })
  next.release()
})

test('an abort after the acquire is of no effect', async () => {
  const pool = makePool({ broker: broker.url })
  const controller = new AbortController()
  const producer = await pool.acquire({ signal: controller.signal })
  controller.abort()

  await producer.publish({ routingKey: await queues.declare(), body: 'x' })
  producer.release()
})

test('whoever asks first is served first', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 2, maxWaiting: 100 })
  const held = await Promise.all([pool.acquire(), pool.acquire()])
  const order: number[] = []
  const turns = Array.from({ length: 20 }, async (_, index) => {
    const producer = await pool.acquire()
    order.push(index)
    await producer.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
    producer.release()
  })
  for (const lease of held) lease.release()
  await Promise.all(turns)

  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index))
})

test('a lease held for longer than leaseWarnMs is logged once, with the stack of the code that took it', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, leaseWarnMs: 40, logger })
  const returned = await pool.acquire()
  returned.release()
  const forgotten = await takeAndForget(pool)
  await until(() => logger.of('lease.held').length > 0)

  const [record] = logger.of('lease.held')
  expect(record).toMatchObject({ level: 'warn', lease: forgotten.lease, channel: forgotten.channelId })
  expect(record?.heldMs).toBeGreaterThanOrEqual(39)
  expect(record?.stack).toMatch(/takeAndForget/)
  const later = await pool.acquire()
  await until(() => logger.of('lease.held').some(({ lease }) => lease === later.lease))
  expect(logger.of('lease.held').map(({ lease }) => lease)).toEqual([forgotten.lease, later.lease])
  for (const lease of [forgotten, later]) lease.release()
})

test('a lease in use is logged with the stack of the code that called use', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, leaseWarnMs: 20, logger })
  await useForLong(pool, () => until(() => logger.of('lease.held').length > 0))

  expect(logger.of('lease.held')[0]?.stack).toMatch(/useForLong/)
})

test('each lease is logged when it is taken and given back, with what it published', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, logger })
  const queue = await queues.declare()
  const producer = await pool.acquire()
  const confirms = [1, 2, 3].map((n) => producer.publish({ routingKey: queue, body: `${n}` }))
  // Nothing is written yet: that comes with the release, and counts.
  producer.release()
  await Promise.all(confirms)
  ;(await pool.acquire()).release()

  const { lease, channelId: channel } = producer
  expect(logger.of('channel.acquire')).toEqual([
    expect.objectContaining({ level: 'debug', lease, channel, reused: false, waitMs: expect.any(Number) }),
    expect.objectContaining({ lease: lease + 1, channel, reused: true }),
  ])
  expect(logger.of('channel.release')).toEqual([
    expect.objectContaining({ level: 'debug', lease, channel, publishes: 3, heldMs: expect.any(Number) }),
    expect.objectContaining({ lease: lease + 1, channel, publishes: 0 }),
  ])
})

test('the number of publishes of a lease stands still after its release', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const queue = await queues.declare()
  const first = await pool.acquire()
  await first.publish({ routingKey: queue, body: '1' })
  first.release()
  await pool.publish({ routingKey: queue, body: '2' })

  expect(first.publishes).toBe(1)
})

test.each([
  [{ timeoutMs: 0 }, /timeoutMs/],
  [{ timeoutMs: 1.5 }, /timeoutMs/],
  [{ timeoutMs: Number.NaN }, /timeoutMs/],
  [{ timeoutMs: 2 ** 31 }, /timeoutMs/],
  [{ signal: {} }, /signal/],
  [{ block: 'no' }, /block/],
  [{ timeout: 5 }, /timeout/],
  [7, /options/],
])('acquire with %p is ERR_INVALID_OPTION', async (options, text) => {
  const pool = makePool({ broker: broker.url })

  const error = await failureOf(pool.acquire(options as never))
  expect(error.code).toBe('ERR_INVALID_OPTION')
  expect(error.message).toMatch(text)
})

interface Lender {
  acquire(): Promise<Producer>
  use<T>(run: () => Promise<T>): Promise<T>
}

async function takeAndForget(pool: Lender): Promise<Producer> {
  const producer = await pool.acquire()
  return producer
}

async function useForLong(pool: Lender, run: () => Promise<void>): Promise<void> {
  await pool.use(run)
}
