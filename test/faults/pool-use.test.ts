import { expect, test } from '@jest/globals'
import { type Answer, CHANNEL_1, startScriptedServer } from '../amqp/scripted-server.ts'
import { useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { baselineOf, isRestored } from './support/pool-baseline.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

test('row 56: an exhausted pool serves in the order of asking, refuses beyond maxWaiting, and says its numbers', async () => {
  const pool = await readyPool({ broker: broker.url, maxChannels: 1, maxWaiting: 3 })
  const held = await pool.acquire()
  const served: number[] = []
  const waiting = [1, 2, 3].map(async (n) => {
    const lease = await pool.acquire()
    served.push(n)
    lease.release()
  })
  expect(await failureOf(pool.acquire())).toMatchObject({
    code: 'ERR_POOL_EXHAUSTED',
    stats: { leased: 1, idle: 0, waiting: 3 },
  })
  held.release()
  await Promise.all(waiting)
  expect(served).toEqual([1, 2, 3])

  const again = await pool.acquire()
  expect(await failureOf(pool.acquire({ timeoutMs: 50 }))).toMatchObject({
    code: 'ERR_ACQUIRE_TIMEOUT',
    message: expect.stringMatching(/^no channel in 50 ms \(1 leased, 0 idle, 1 waiting, maxChannels 1\)/),
    stats: { leased: 1, idle: 0 },
  })
  again.release()
})

test('row 57: a broker that cannot be reached leaves the event loop free, and who waits gets the cause', async () => {
  const pool = makePool({ broker: NOWHERE, minChannels: 4, acquireTimeoutMs: 600 })
  const acquiring = Promise.all(Array.from({ length: 100 }, () => failureOf(pool.acquire())))
  let ticks = 0
  const timer = setInterval(() => ticks++, 5)
  const errors = await acquiring
  clearInterval(timer)

  // A factory that fails at once, and is called at once again, lets no timer run.
  expect(ticks).toBeGreaterThan(20)
  for (const error of errors) {
    expect(error).toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT', cause: { code: 'ERR_BROKER_UNAVAILABLE' } })
    expect(error.message).toContain('ECONNREFUSED')
  }
})

test('row 58: a channel that the broker never opens frees its place, and the pool serves when it opens one', async () => {
  await using server = await startScriptedServer({
    ...CHANNEL_1,
    // A connection that opens no channel is given up: the second has its first channel.
    ChannelOpen: (times) => (times === 1 ? [] : (CHANNEL_1.ChannelOpen as Answer)),
  })
  const pool = makePool({ broker: server.url, maxChannels: 1, connectTimeoutMs: 500 })
  const lease = await pool.acquire({ timeoutMs: 20_000 })

  expect(pool.stats()).toMatchObject({ leased: 1, channels: 1, channelsOpened: 1 })
  lease.release()
})

test('row 59: a close that the broker never answers ends all the same, and takes no place', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, minChannels: 0, maxChannels: 2, idleTimeoutMs: 100 })
  const leases = await Promise.all([pool.acquire(), pool.acquire()])
  await proxy.set('black-hole')
  for (const lease of leases) lease.release()
  await until(() => pool.stats().channels === 0)
  await proxy.set('pass')

  await pool.publish(GOOD)
  expect(pool.stats().channels).toBeLessThanOrEqual(2)
})

test('row 60: double, foreign and late releases are errors by name, and harm neither pool', async () => {
  const [pool, other] = [await readyPool({ broker: broker.url }), await readyPool({ broker: broker.url })]
  const before = baselineOf(pool)
  const lease = await pool.acquire()
  expect(() => other.release(lease)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
  lease.release()
  expect(() => lease.release()).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
  expect(() => pool.release({} as never)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
  // Disposal is not a second release, however often it comes.
  await lease[Symbol.asyncDispose]()
  await lease[Symbol.asyncDispose]()

  expect(isRestored(before, baselineOf(pool))).toBe(true)
  await Promise.all([pool.publish(GOOD), other.publish(GOOD)])
})

test('row 61: a producer is of no use after its release, even when its channel is on lease again', async () => {
  const pool = await readyPool({ broker: broker.url, maxChannels: 1 })
  const queue = await queues.declare()
  const first = await pool.acquire()
  first.release()
  const second = await pool.acquire()
  expect(second.channelId).toBe(first.channelId)
  expect(await failureOf(first.publish({ routingKey: queue, body: 'stolen' }))).toMatchObject({
    code: 'ERR_PRODUCER_RELEASED',
    outcome: 'not-sent',
  })
  await second.publish({ routingKey: queue, body: 'mine' })
  second.release()

  expect(await queues.bodies(queue)).toEqual(['mine'])
})

test('row 62: a lease that is never given back is logged with who took it, and does not keep close from ending', async () => {
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: broker.url, leaseWarnMs: 50, logger })
  async function takesAndForgets(): Promise<void> {
    await pool.acquire()
  }
  await takesAndForgets()
  await until(() => logger.of('lease.held').length > 0)
  expect(logger.of('lease.held')[0]).toMatchObject({ level: 'warn', stack: expect.stringContaining('takesAndForgets') })

  await pool.close({ timeoutMs: 1_000 })
  expect(pool.state).toBe('closed')
})

test('row 63: a channel is leased again before its confirms are there, and each of them finds its own message', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, maxChannels: 1 })
  const queue = await queues.declare()
  await proxy.set('delay', { ms: 60_000 })
  const confirmed: string[] = []
  const publishing: Promise<unknown>[] = []
  for (const name of ['first', 'second', 'third']) {
    const lease = await pool.acquire()
    publishing.push(lease.publish({ routingKey: queue, body: name }).then(() => confirmed.push(name)))
    lease.release()
  }
  expect(confirmed).toEqual([])
  await proxy.set('pass')
  await Promise.all(publishing)

  expect(confirmed).toEqual(['first', 'second', 'third'])
  expect(await queues.bodies(queue)).toEqual(['first', 'second', 'third'])
  expect(pool.stats().channelsOpened).toBe(1)
})

test('row 64: an abort before, while waiting and in flight says what is known, and harms nobody who comes next', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, maxChannels: 1 })
  const before = await failureOf(pool.publish(GOOD, { signal: AbortSignal.abort() }))
  expect(before).toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent' })

  const held = await pool.acquire()
  const waiting = new AbortController()
  const acquiring = failureOf(pool.acquire({ signal: waiting.signal }))
  const publishing = failureOf(pool.publish(GOOD, { signal: waiting.signal }))
  waiting.abort()
  expect(await acquiring).toMatchObject({ code: 'ERR_ABORTED' })
  expect(await publishing).toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent' })
  expect(pool.stats()).toMatchObject({ waiting: 0, bufferedBytes: 0 })
  held.release()

  const queue = await queues.declare()
  await proxy.set('delay', { ms: 60_000 })
  const flying = new AbortController()
  const aborted = failureOf(pool.publish({ routingKey: queue, body: 'aborted' }, { signal: flying.signal }))
  await until(() => pool.stats().inFlight === 1)
  flying.abort()
  expect(await aborted).toMatchObject({ code: 'ERR_ABORTED', outcome: 'unknown' })
  await proxy.set('pass')
  // Its confirm comes late, and is not taken for the next one's.
  await pool.publish({ routingKey: queue, body: 'next' })
  expect(await queues.bodies(queue)).toEqual(['aborted', 'next'])
  expect(pool.stats()).toMatchObject({ inFlight: 0, channelsClosed: 0 })
})

test('row 65: after close new work is refused, what was accepted is settled first, and a second close is the first', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url })
  const queue = await queues.declare()
  await proxy.set('delay', { ms: 50 })
  const accepted = Promise.all(Array.from({ length: 50 }, (_, n) => pool.publish({ routingKey: queue, body: `${n}` })))
  const closing = pool.close()
  expect(pool.close()).toBe(closing)
  expect(await failureOf(pool.publish(GOOD))).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent' })
  expect(await failureOf(pool.acquire())).toMatchObject({ code: 'ERR_POOL_CLOSED' })

  expect(await closing).toEqual({ confirmed: 50, unknown: [], notSent: [] })
  await accepted
  expect(await failureOf(pool.publish(GOOD))).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  expect(await queues.depth(queue)).toBe(50)
})
