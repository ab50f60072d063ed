import { describe, expect, test } from '@jest/globals'
import { createProducerPool } from '../../lib/pool/producer-pool.ts'
import { rabbitmqTest, uniqueName, useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const DROPPED = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

describe('ready', () => {
  test('resolves once a channel is open', async () => {
    const pool = makePool({ broker: broker.url })
    expect(pool.state).toBe('connecting')
    await pool.ready()

    expect(pool.state).toBe('open')
    expect(pool.stats()).toMatchObject({ channels: 1, idle: 1, leased: 0, connections: 1 })
  })

  test('resolves at once on an open pool, though every channel is leased', async () => {
    const pool = makePool({ broker: broker.url, maxChannels: 1 })
    const producer = await pool.acquire()

    await pool.ready({ timeoutMs: 30_000 })
    producer.release()
  })

  test('opens a channel where none is kept, and may be asked by many at once', async () => {
    const pool = makePool({ broker: broker.url, minChannels: 0 })
    await Promise.all(Array.from({ length: 20 }, () => pool.ready()))

    expect(pool.stats().channels).toBeGreaterThan(0)
    expect(pool.stats()).toMatchObject({ leased: 0, waiting: 0 })
  })

  test('is no lease in the figures', async () => {
    const pool = await readyPool({ broker: broker.url })

    expect(pool.stats()).toMatchObject({ leases: 0, maxLeased: 0 })
  })

  test('an unreachable broker is ERR_BROKER_UNAVAILABLE after its time, with the cause', async () => {
    const pool = makePool({ broker: NOWHERE })
    const error = await failureOf(pool.ready({ timeoutMs: 200 }))

    expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', retryable: true, stats: { state: 'connecting' } })
    expect(error.message).toMatch(/ECONNREFUSED/)
  })

  test('a silent broker is ERR_BROKER_UNAVAILABLE after its time', async () => {
    const proxy = await makeProxy(broker.url)
    await proxy.set('silent')
    const pool = makePool({ broker: proxy.url, connectTimeoutMs: 300 })

    await expect(pool.ready({ timeoutMs: 150 })).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
    const error = await failureOf(pool.ready({ timeoutMs: 3_000 }))
    expect(error.message).toMatch(/300 ms/)
  })

  rabbitmqTest('a wrong password is ERR_BROKER_REFUSED at once, and so is everything that waits', async () => {
    const pool = makePool({ broker: broker.url, credentials: { username: 'guest', password: 'wrong-secret' } })
    const refused: string[] = []
    pool.on('refused', ({ code }) => refused.push(code))
    const waiting = [failureOf(pool.ready()), failureOf(pool.acquire()), failureOf(pool.publish(DROPPED))]
    const errors = await Promise.all(waiting)

    for (const error of errors) {
      expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', retryable: false })
      expect(error.message).toMatch(/the user name or the password is wrong/)
      expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain('wrong-secret')
    }
    expect(errors[2]).toMatchObject({ outcome: 'not-sent' })
    expect(pool.state).toBe('refused')
    expect(refused).toEqual(['ERR_BROKER_REFUSED'])
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'ERR_BROKER_REFUSED' })
    await expect(pool.ready()).rejects.toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  })

  rabbitmqTest('a missing vhost is ERR_BROKER_REFUSED, and is named', async () => {
    const url = new URL(broker.url)
    url.pathname = '/no-such-vhost'
    const pool = makePool({ broker: url.href })

    const error = await failureOf(pool.ready())
    expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
    expect(error.message).toMatch(/no-such-vhost/)
  })

  test('its wait can be aborted', async () => {
    const pool = makePool({ broker: NOWHERE })
    const controller = new AbortController()
    const waiting = pool.ready({ signal: controller.signal })
    controller.abort()

    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })
})

describe('drain', () => {
  test('resolves once every accepted publish has its outcome, the bad ones included', async () => {
    const pool = await readyPool({ broker: broker.url })
    let settled = 0
    const count = () => settled++
    for (let n = 0; n < 100; n++) pool.publish(DROPPED).then(count, count)
    pool.publish({ routingKey: uniqueName('missing'), body: 'x', mandatory: true }).then(count, count)
    await pool.drain()
    await Promise.resolve()

    expect(settled).toBe(101)
    expect(pool.stats()).toMatchObject({ inFlight: 0, waiting: 0, bufferedBytes: 0 })
  })

  test('resolves at once when there is nothing to wait for, and new work is still taken after it', async () => {
    const pool = makePool({ broker: broker.url })
    await pool.drain()
    await pool.publish(DROPPED)
    await pool.drain()

    expect(pool.stats().confirms).toBe(1)
  })
})

describe.each(WRITE_PATHS)('close with %s', (_, fastPath) => {
  test('waits for every confirm, and every message is in its queue', async () => {
    const pool = createProducerPool({ broker: broker.url, logger: false, fastPath, maxInFlight: 50, maxChannels: 2 })
    const queue = await queues.declare({ durable: false })
    const publishes = Array.from({ length: 1_000 }, (_, n) => pool.publish({ routingKey: queue, body: `${n}` }))
    const report = await pool.close()
    await Promise.all(publishes)

    expect(report).toEqual({ confirmed: 1_000, unknown: [], notSent: [] })
    expect(await queues.depth(queue)).toBe(1_000)
    expect(pool.state).toBe('closed')
    expect(pool.stats()).toMatchObject({ channels: 0, connections: 0, inFlight: 0, waiting: 0, leased: 0 })
  })

  test('waits for the confirms of messages that a lease has not written yet', async () => {
    const pool = createProducerPool({ broker: broker.url, logger: false, fastPath, maxInFlight: 10 })
    const queue = await queues.declare({ durable: false })
    const producer = await pool.acquire()
    const publishes = Array.from({ length: 100 }, (_, n) => producer.publish({ routingKey: queue, body: `${n}` }))
    const report = await pool.close()
    await Promise.all(publishes)

    expect(report.confirmed).toBe(100)
    expect(await queues.depth(queue)).toBe(100)
  })

  test('reports the ids of tasks whose fate is unknown, and of those never sent', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath, maxInFlight: 2, maxChannels: 1 })
    await proxy.set('black-hole')
    const publish = (id: string) => failureOf(pool.publish({ ...DROPPED, properties: { headers: { id } } }))
    const errors = Promise.all(['a', 'b', 'c', 'd'].map(publish))
    await until(() => pool.stats().inFlight === 2)
    const startedAt = performance.now()
    const report = await pool.close({ timeoutMs: 300 })

    expect(report).toEqual({ confirmed: 0, unknown: ['a', 'b'], notSent: ['c', 'd'] })
    expect(await errors).toMatchObject([
      { code: 'ERR_POOL_CLOSED', outcome: 'unknown', taskId: 'a' },
      { code: 'ERR_POOL_CLOSED', outcome: 'unknown', taskId: 'b' },
      { code: 'ERR_POOL_CLOSED', outcome: 'not-sent', taskId: 'c' },
      { code: 'ERR_POOL_CLOSED', outcome: 'not-sent', taskId: 'd' },
    ])
    // The broker answers neither the close of the channel nor that of the connection.
    expect(performance.now() - startedAt).toBeLessThan(8_000)
    expect(pool.state).toBe('closed')
  })
})

describe('close', () => {
  test('refuses everything new from its call on', async () => {
    const pool = await readyPool({ broker: broker.url })
    const closing = pool.close()
    expect(pool.state).toBe('closing')
    const refused = { code: 'ERR_POOL_CLOSED', retryable: false }

    await expect(pool.publish(DROPPED)).rejects.toMatchObject({ ...refused, outcome: 'not-sent' })
    await expect(pool.acquire()).rejects.toMatchObject(refused)
    await expect(pool.ready()).rejects.toMatchObject(refused)
    await expect(pool.use(() => 1)).rejects.toMatchObject(refused)
    await closing
    await expect(pool.publish(DROPPED)).rejects.toMatchObject(refused)
    await expect(pool.acquire()).rejects.toMatchObject(refused)
  })

  test('gives every caller the same promise', async () => {
    const pool = await readyPool({ broker: broker.url })
    const first = pool.close()

    expect(pool.close({ timeoutMs: 1 })).toBe(first)
    await first
    expect(pool.close()).toBe(first)
  })

  test('rejects those who wait for a channel at once', async () => {
    const pool = makePool({ broker: broker.url, maxChannels: 1 })
    const producer = await pool.acquire()
    const waiting = [failureOf(pool.acquire()), failureOf(pool.use(() => 1))]
    await pool.close()

    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: 'ERR_POOL_CLOSED' })
    expect(() => producer.release()).not.toThrow()
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' })
  })

  test('takes no time on an idle pool, though leases are held', async () => {
    const logger = new RecordedLog()
    const pool = makePool({ broker: broker.url, logger })
    const leases = await Promise.all([pool.acquire(), pool.acquire()])
    const startedAt = performance.now()
    await pool.close()

    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(logger.of('channel.close').map(({ reason }) => reason)).toEqual(['pool closed', 'pool closed'])
    expect(logger.of('connection.close')[0]).toMatchObject({ reason: 'closed by the pool' })
    for (const lease of leases) {
      await expect(lease.publish(DROPPED)).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent' })
      lease.release()
    }
  })

  test('ends in time on an idle pool whose broker has fallen silent, and nothing is idle afterwards', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url })
    await proxy.set('silent')
    const startedAt = performance.now()
    await pool.close({ timeoutMs: 500 })

    expect(performance.now() - startedAt).toBeLessThan(8_000)
    expect(pool.stats()).toMatchObject({ state: 'closed', channels: 0, idle: 0, leased: 0, connections: 0 })
  })

  test('ends in time while the broker is away, and rejects what waits', async () => {
    const pool = makePool({ broker: NOWHERE })
    const publishing = failureOf(pool.publish({ ...DROPPED, properties: { headers: { id: 'a' } } }))
    const startedAt = performance.now()

    expect(await pool.close({ timeoutMs: 100 })).toEqual({ confirmed: 0, unknown: [], notSent: ['a'] })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(await publishing).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent', taskId: 'a' })
  })

  test('ends in time while a connection is being opened', async () => {
    const proxy = await makeProxy(broker.url)
    await proxy.set('silent')
    const pool = makePool({ broker: proxy.url })
    await until(() => proxy.connections === 1)
    const startedAt = performance.now()
    await pool.close({ timeoutMs: 100 })

    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  test('happens by itself at the end of a block with await using', async () => {
    let pool = makePool({ broker: broker.url })
    {
      await using kept = createProducerPool({ broker: broker.url, logger: false })
      pool = kept
      await kept.publish(DROPPED)
    }

    expect(pool.state).toBe('closed')
  })

  test.each([{ timeoutMs: 0 }, { timeoutMs: '5' }, 5])(
    'with %p is ERR_INVALID_OPTION and closes nothing',
    async (options) => {
      const pool = await readyPool({ broker: broker.url })

      await expect(pool.close(options as never)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
      await pool.publish(DROPPED)
    },
  )
})

describe('events', () => {
  test('a listener that throws is logged, and harms neither the pool nor other listeners', async () => {
    const logger = new RecordedLog()
    const pool = makePool({ broker: broker.url, logger, summaryIntervalMs: 20 })
    const told: string[] = []
    for (const event of ['connect', 'summary', 'disconnect', 'close'] as const) {
      pool.on(event, () => {
        throw new Error(`thrown at ${event}`)
      })
      pool.on(event, () => told.push(event))
    }
    await pool.publish(DROPPED)
    await until(() => told.includes('summary'))
    await pool.close()

    expect(new Set(told)).toEqual(new Set(['connect', 'summary', 'disconnect', 'close']))
    const reasons = logger.of('pool.warning').map(({ reason }) => reason)
    expect(reasons).toContain('a listener of connect threw')
    expect(reasons).toContain('a listener of close threw')
    expect(pool.stats()).toMatchObject({ confirms: 1, state: 'closed' })
  })

  test('a listener that rejects is logged like one that throws', async () => {
    const logger = new RecordedLog()
    const pool = makePool({ broker: broker.url, logger })
    const rejecting = async () => Promise.reject(new Error('thrown later'))
    pool.on('connect', rejecting as () => void)
    await pool.ready()
    await until(() => logger.of('pool.warning').length > 0)

    expect(logger.of('pool.warning')[0]).toMatchObject({ reason: 'a listener of connect threw' })
  })

  test('a listener that is taken off is not called again', async () => {
    const pool = makePool({ broker: broker.url })
    let calls = 0
    const listener = () => calls++
    pool.on('connect', listener).off('connect', listener)
    await pool.ready()

    expect(calls).toBe(0)
  })

  test('connect, disconnect and close tell what happened', async () => {
    const pool = makePool({ broker: broker.url, name: 'billing' })
    const told: unknown[] = []
    pool.on('connect', (details) => told.push(details))
    pool.on('disconnect', (details) => told.push(details))
    pool.on('close', () => told.push('closed'))
    await pool.ready()
    await pool.close()

    const { password } = new URL(broker.url)
    expect(told).toEqual([
      { connection: 1, broker: expect.stringContaining('amqp://'), openMs: expect.any(Number) },
      { connection: 1, broker: expect.any(String), reason: 'closed by the pool' },
      'closed',
    ])
    expect(JSON.stringify(told)).not.toContain(`:${password}@`)
  })
})

describe('stats', () => {
  test('the figures of a known run are exact, and the summary at close has the same', async () => {
    const logger = new RecordedLog()
    const pool = await readyPool({ broker: broker.url, maxChannels: 2, logger, summaryIntervalMs: 0 })
    const queue = await queues.declare({ durable: false })
    const body = '0123456789'
    await Promise.all(Array.from({ length: 30 }, () => pool.publish({ routingKey: queue, body })))
    const lease = await pool.acquire()
    await Promise.all(Array.from({ length: 10 }, () => lease.publish({ routingKey: queue, body })))
    const other = await pool.acquire()
    lease.release()
    other.release()
    await failureOf(pool.publish({ routingKey: uniqueName('missing'), body, mandatory: true }))
    await failureOf(pool.publish({ routingKey: 7 } as never))
    await failureOf(pool.publish({ routingKey: queue, body }, { signal: AbortSignal.abort() }))

    const figures = {
      publishes: 43,
      confirms: 40,
      failures: 3,
      retries: 0,
      returns: 1,
      // One for the first turn, two of the caller's, one for the unroutable.
      leases: 4,
      channelsOpened: 2,
      maxLeased: 2,
      publishesPerChannel: 43 / 2,
      reuseRatio: 1 - 2 / 43,
    }
    expect(pool.stats()).toMatchObject({
      ...figures,
      channelsClosed: 0,
      state: 'open',
      connections: 1,
      channels: 2,
      leased: 0,
      idle: 2,
      waiting: 0,
      inFlight: 0,
      bufferedBytes: 0,
    })
    const { waitMs, confirmMs } = pool.stats()
    for (const { p50, p99, max } of [waitMs, confirmMs]) {
      expect(p50).toBeLessThanOrEqual(p99)
      expect(p99).toBeLessThanOrEqual(max)
    }
    expect(confirmMs.p50).toBeGreaterThan(0)

    await pool.close()
    expect(logger.of('pool.summary')).toEqual([
      expect.objectContaining({ level: 'info', ...figures, channelsClosed: 2, maxChannels: 2, leased: 0, inFlight: 0 }),
    ])
  })

  test('a summary is logged and told at each interval', async () => {
    const logger = new RecordedLog()
    const pool = makePool({ broker: broker.url, logger, summaryIntervalMs: 20 })
    let told = 0
    pool.on('summary', ({ publishes }) => {
      told = publishes
    })
    await pool.publish(DROPPED)
    await until(() => told === 1)

    expect(logger.of('pool.summary').at(-1)).toMatchObject({ publishes: 1 })
  })

  test('a logger that throws harms nothing', async () => {
    const broken = () => {
      throw new Error('the disk is full')
    }
    const pool = makePool({ broker: broker.url, logger: { debug: broken, info: broken, warn: broken, error: broken } })
    afterTest(() => pool.close())
    await pool.publish(DROPPED)
    await pool.use((producer) => producer.publish(DROPPED))

    expect(pool.stats()).toMatchObject({ confirms: 2, leased: 0 })
  })
})

test.each([
  ['conect', () => {}, /^"conect" is not an event of a pool; known are connect, disconnect/],
  ['connect', 5, /^a listener must be a function, got 5/],
])('on(%j, %p) is ERR_INVALID_OPTION', (event, listener, message) => {
  const pool = makePool({ broker: NOWHERE })

  expect(() => pool.on(event as 'connect', listener as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
  )
})
