import { describe, expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** Takes every message and keeps none. */
const DROPPED = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  test('a publish needs no lease of the caller’s, and resolves when the broker has the message', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const queue = await queues.declare()

    await pool.publish({ routingKey: queue, body: 'hello' })
    expect(await queues.bodies(queue)).toEqual(['hello'])
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1, inFlight: 0 })
  })

  test('the publishes of one turn share one lease', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    await Promise.all(Array.from({ length: 500 }, () => pool.publish(DROPPED)))

    expect(pool.stats()).toMatchObject({ publishes: 500, confirms: 500, leases: 1, channelsOpened: 1 })
  })

  test('publishes without a lease arrive in their order while one channel has room for them', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxInFlight: 1_000 })
    const queue = await queues.declare({ durable: false })
    const bodies = Array.from({ length: 1_000 }, (_, index) => `${index}`)
    await Promise.all(bodies.map((body) => pool.publish({ routingKey: queue, body })))

    expect(await queues.bodies(queue)).toEqual(bodies)
  })

  test('full windows spread over further channels, up to maxChannels and never more', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath, maxInFlight: 10, maxChannels: 3 })
    const confirms = publishTimes(100, () => pool.publish(DROPPED))
    // Each confirm held back: what is written stays in flight.
    await until(() => pool.stats().channels === 3)
    await Promise.all(confirms)
    await proxy.set('delay', { ms: 60_000 })
    const held = publishTimes(100, () => pool.publish(DROPPED))
    await until(() => pool.stats().inFlight === 30)
    await turns(20)

    expect(pool.stats()).toMatchObject({ inFlight: 30, waiting: 70, channels: 3, channelsOpened: 3 })
    await proxy.set('pass')
    await Promise.all(held)
    expect(pool.stats()).toMatchObject({ channels: 3, channelsOpened: 3, confirms: 200, inFlight: 0 })
  })

  test('with maxInFlight 1 a channel has one message on its way at a time', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxInFlight: 1, maxChannels: 2 })
    let most = 0
    await Promise.all(
      publishTimes(100, () =>
        pool.publish(DROPPED).then(() => {
          most = Math.max(most, pool.stats().inFlight)
        }),
      ),
    )

    expect(most).toBeLessThanOrEqual(2)
    expect(pool.stats()).toMatchObject({ confirms: 100, inFlight: 0, waiting: 0 })
  })

  test('a publish goes on when the lease that holds the only channel is released', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxChannels: 1 })
    const producer = await pool.acquire()
    const confirmed = pool.publish(DROPPED)
    await turns(5)
    expect(pool.stats()).toMatchObject({ waiting: 1, inFlight: 0 })
    producer.release()

    await confirmed
  })

  test('bytes held above maxBufferedBytes refuse the next publish at once, and are free again after the confirms', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath, maxBufferedBytes: 100_000 })
    await proxy.set('delay', { ms: 60_000 })
    const message = { ...DROPPED, body: 'x'.repeat(30_000), properties: { headers: { own: true } } }
    const held = publishTimes(3, () => pool.publish(message))
    const { bufferedBytes } = pool.stats()
    // What the objects of a message with headers take counts too.
    expect(bufferedBytes).toBeGreaterThan(90_000)
    expect(bufferedBytes).toBeLessThan(100_000)

    const error = await failureOf(pool.publish(message))
    expect(error).toMatchObject({ code: 'ERR_POOL_EXHAUSTED', outcome: 'not-sent', retryable: true })
    expect(error.message).toMatch(/^9\d{4} bytes are held.*3\d{4}.*maxBufferedBytes \(100000\)/)
    expect(pool.stats().bufferedBytes).toBe(bufferedBytes)

    await proxy.set('pass')
    await Promise.all(held)
    expect(pool.stats().bufferedBytes).toBe(0)
    await pool.publish(message)
  })

  test('it is bytes that count for maxBufferedBytes, not characters', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath, maxBufferedBytes: 100_000, publishTimeoutMs: 10_000 })
    await proxy.set('delay', { ms: 60_000 })
    // Two bytes each in memory, three on the wire.
    const message = { ...DROPPED, body: '漢'.repeat(30_000) }
    const held = pool.publish(message)

    await expect(pool.publish(message)).rejects.toMatchObject({ code: 'ERR_POOL_EXHAUSTED' })
    await proxy.set('pass')
    await held
  })

  test('a body above maxMessageBytes is ERR_MESSAGE_TOO_LARGE, counted in bytes, and is not sent', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxMessageBytes: 9 })
    const queue = await queues.declare()

    for (const body of ['漢漢漢x', '0123456789', Buffer.alloc(10)]) {
      const error = await failureOf(pool.publish({ routingKey: queue, body }))
      expect(error).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent', retryable: false })
      expect(error.message).toMatch(/10 bytes, and maxMessageBytes is 9/)
    }
    await pool.publish({ routingKey: queue, body: '漢漢漢' })
    expect(await queues.bodies(queue)).toEqual(['漢漢漢'])
  })

  test('a large body arrives whole, in as many frames as it takes', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const queue = await queues.declare({ durable: false })
    const body = Buffer.alloc(1_000_003, 'abcdefg')
    await Promise.all([
      pool.publish({ routingKey: queue, body }),
      pool.publish({ routingKey: queue, body: '' }),
      pool.publish({ routingKey: queue, body: body.toString() }),
    ])

    const [first, empty, text] = await queues.take(queue, 3)
    expect(first?.content.equals(body)).toBe(true)
    expect(empty?.content).toHaveLength(0)
    expect(text?.content.equals(body)).toBe(true)
  })

  test('headers that pass the frame size are ERR_MESSAGE_TOO_LARGE for that message alone', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const good = pool.publish(DROPPED)
    const bad = pool.publish({ ...DROPPED, properties: { headers: { big: 'x'.repeat(200_000) } } })

    await expect(bad).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent' })
    await good
    await pool.publish(DROPPED)
    expect(pool.stats()).toMatchObject({ channelsOpened: 1, channelsClosed: 0 })
  })

  test('a header that AMQP cannot carry is ERR_INVALID_OPTION for that message alone', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const good = pool.publish(DROPPED)
    const bad = pool.publish({ ...DROPPED, properties: { headers: { call: () => 1 } } })

    await expect(bad).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', outcome: 'not-sent' })
    await good
    expect(pool.stats()).toMatchObject({ channelsOpened: 1, channelsClosed: 0 })
  })

  test('a publish with no confirm ends by publishTimeoutMs, with an unknown outcome', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath, publishTimeoutMs: 250 })
    await proxy.set('delay', { ms: 60_000 })
    const startedAt = performance.now()

    const error = await failureOf(pool.publish(DROPPED))
    const tookMs = performance.now() - startedAt
    expect(error).toMatchObject({ code: 'ERR_PUBLISH_TIMEOUT', outcome: 'unknown', retryable: true })
    expect(error.message).toMatch(/written (once|1 time)/)
    expect(tookMs).toBeGreaterThan(240)
    expect(tookMs).toBeLessThan(6_000)
    await proxy.set('pass')
  })

  test('a late confirm of a publish that timed out is harmless', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath })
    await proxy.set('delay', { ms: 60_000 })
    await expect(pool.publish(DROPPED, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_PUBLISH_TIMEOUT' })
    expect(pool.stats().inFlight).toBe(1)
    await proxy.set('pass')
    await until(() => pool.stats().inFlight === 0)

    await pool.publish(DROPPED)
    expect(pool.stats()).toMatchObject({ publishes: 2, confirms: 1, failures: 1, channelsOpened: 1 })
  })

  test('an abort in flight rejects at once with an unknown outcome, and the message may still arrive', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath })
    const queue = await queues.declare()
    await proxy.set('delay', { ms: 60_000 })
    const controller = new AbortController()
    const publishing = pool.publish({ routingKey: queue, body: 'x' }, { signal: controller.signal })
    await until(() => pool.stats().inFlight === 1)
    controller.abort(new Error('the request was cancelled'))

    const error = await failureOf(publishing)
    expect(error).toMatchObject({ code: 'ERR_ABORTED', outcome: 'unknown', cause: controller.signal.reason })
    await proxy.set('pass')
    await until(() => pool.stats().inFlight === 0)
    expect(await queues.bodies(queue)).toEqual(['x'])
    expect(pool.stats()).toMatchObject({ confirms: 0, failures: 1, bufferedBytes: 0 })
  })
})

test("through amqplib's public publish, which copies each body, large ones wait their turn outside of it", async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, fastPath: false, maxChannels: 1 })
  await proxy.set('delay', { ms: 60_000 })
  const body = Buffer.alloc(200_000)
  const publishes = Array.from({ length: 40 }, () => pool.publish({ ...DROPPED, body }))

  await until(() => pool.stats().inFlight > 0)
  // A mebibyte, and what passes it.
  expect(pool.stats()).toMatchObject({ inFlight: 6, waiting: 34 })
  await proxy.set('pass')

  await Promise.all(publishes)
  expect(pool.stats()).toMatchObject({ confirms: 40, retries: 0, inFlight: 0 })
})

test('an abort before the publish sends nothing', async () => {
  const pool = makePool({ broker: broker.url })
  const queue = await queues.declare()

  const error = await failureOf(pool.publish({ routingKey: queue, body: 'x' }, { signal: AbortSignal.abort() }))
  expect(error).toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent' })
  await pool.publish({ routingKey: queue, body: 'y' })
  expect(await queues.bodies(queue)).toEqual(['y'])
})

test('an abort while the publish waits sends nothing, and those behind it move up', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 1 })
  const queue = await queues.declare()
  const producer = await pool.acquire()
  const controller = new AbortController()
  const leaving = pool.publish({ routingKey: queue, body: 'leaving' }, { signal: controller.signal })
  const staying = pool.publish({ routingKey: queue, body: 'staying' })
  controller.abort()

  await expect(leaving).rejects.toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent' })
  producer.release()
  await staying
  expect(await queues.bodies(queue)).toEqual(['staying'])
})

test('a signal that outlives its publishes keeps no listener of theirs', async () => {
  const pool = await readyPool({ broker: broker.url })
  const { signal } = new AbortController()
  let listeners = 0
  const counting = Object.create(signal, {
    addEventListener: { value: () => listeners++ },
    removeEventListener: { value: () => listeners-- },
    aborted: { value: false },
  })
  await Promise.all(publishTimes(20, () => pool.publish(DROPPED, { signal: counting })))

  expect(listeners).toBe(0)
})

test('a publish while the broker is away is rejected by its own deadline, with the real cause and its wait', async () => {
  const pool = makePool({ broker: NOWHERE })

  const [short, long] = await Promise.all([
    failureOf(pool.publish(DROPPED, { timeoutMs: 200 })),
    failureOf(pool.publish(DROPPED, { timeoutMs: 500 })),
  ])
  for (const error of [short, long]) {
    expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', outcome: 'not-sent', retryable: true })
    expect(error.message).toMatch(/ECONNREFUSED/)
    expect(error.cause).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  }
  expect(waitOf(short)).toBeGreaterThanOrEqual(195)
  expect(waitOf(long)).toBeGreaterThanOrEqual(495)
  expect(waitOf(short)).toBeLessThan(waitOf(long))
  expect(waitOf(long)).toBeLessThan(6_000)
})

test('one publish more than maxWaiting is refused at once while the broker is away; the others go out when it comes', async () => {
  const proxy = await makeProxy(broker.url)
  await proxy.set('refuse')
  const pool = makePool({ broker: proxy.url, maxWaiting: 3 })
  const queue = await queues.declare()
  const waiting = ['a', 'b', 'c'].map((body) => pool.publish({ routingKey: queue, body }))

  const error = await failureOf(pool.publish({ routingKey: queue, body: 'd' }))
  expect(error).toMatchObject({ code: 'ERR_POOL_EXHAUSTED', outcome: 'not-sent', retryable: true })
  expect(error.message).toMatch(/maxWaiting is 3/)
  expect(pool.stats().waiting).toBe(3)

  await proxy.set('pass')
  await Promise.all(waiting)
  expect(await queues.bodies(queue)).toEqual(['a', 'b', 'c'])
})

test('publishes that gave up waiting make room for others', async () => {
  const pool = makePool({ broker: NOWHERE, maxWaiting: 2 })
  const giveUp = () => expect(pool.publish(DROPPED, { timeoutMs: 20 })).rejects.toMatchObject({ outcome: 'not-sent' })
  for (let round = 0; round < 3; round++) await Promise.all([giveUp(), giveUp()])

  expect(pool.stats()).toMatchObject({ waiting: 0, bufferedBytes: 0, failures: 6 })
})

test('a confirm, a retry and a failure are logged with the task that they concern', async () => {
  const proxy = await makeProxy(broker.url)
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: proxy.url, logger })
  const message = { ...DROPPED, properties: { headers: { id: 'id-1', task: 'tasks.add' } } }
  await pool.publish(message)
  await proxy.set('black-hole')
  const resent = pool.publish(message)
  await until(() => pool.stats().inFlight === 1)
  proxy.reset()
  await proxy.set('pass')
  await resent
  await expect(pool.publish({ ...message, exchange: '', routingKey: 'nobody', mandatory: true })).rejects.toMatchObject(
    {
      taskId: 'id-1',
    },
  )

  const task = { taskId: 'id-1', task: 'tasks.add' }
  expect(logger.of('publish.confirm')).toEqual([
    expect.objectContaining({ level: 'debug', ...task, attempts: 1, bytes: 1, routingKey: '' }),
    expect.objectContaining({ ...task, attempts: 2, confirmMs: expect.any(Number), channel: expect.any(Number) }),
  ])
  expect(logger.of('publish.retry')).toEqual([
    expect.objectContaining({ level: 'warn', ...task, attempt: 1, code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown' }),
  ])
  expect(logger.of('publish.fail')).toEqual([
    expect.objectContaining({ level: 'error', ...task, attempt: 1, code: 'ERR_UNROUTABLE', outcome: 'refused' }),
  ])
})

/** Replaces amqplib's publish until the test is over, as a tracer does; gives what counts the messages that it sees. */
async function tracePublish(): Promise<() => number> {
  const confirmChannel = await queues.connection.createConfirmChannel()
  const prototype = Object.getPrototypeOf(confirmChannel)
  const { publish } = prototype
  let seen = 0
  prototype.publish = function (...args: unknown[]) {
    seen++
    return publish.apply(this, args)
  }
  afterTest(() => {
    prototype.publish = publish
    return confirmChannel.close()
  })
  return () => seen
}

test.each([0, 1])(
  'a tracer that replaces publish sees every message from then on, also with minChannels %d',
  async (minChannels) => {
    const logger = new RecordedLog()
    const pool = makePool({ broker: broker.url, minChannels, publishTimeoutMs: 30_000, logger })
    await pool.publish(DROPPED)
    const seen = await tracePublish()
    await Promise.all([pool.publish(DROPPED), pool.publish(DROPPED)])
    await pool.use((producer) => producer.publish(DROPPED))

    expect(seen()).toBe(3)
    expect(pool.stats()).toMatchObject({ confirms: 4, failures: 0, retries: 0 })
    expect(logger.of('pool.warning')).toHaveLength(1)
  },
)

test('a pool made under a tracer uses its publish from the start, after one warning', async () => {
  const seen = await tracePublish()
  const logger = new RecordedLog()
  const pool = makePool({ broker: broker.url, logger, minChannels: 2 })
  await Promise.all(publishTimes(10, () => pool.publish(DROPPED)))

  expect(seen()).toBe(10)
  await until(() => pool.stats().channels === 2)
  expect(logger.of('pool.warning')).toHaveLength(1)
})

test('the lease of a turn is logged like any other', async () => {
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: broker.url, logger })
  logger.records.length = 0
  await Promise.all(publishTimes(5, () => pool.publish(DROPPED)))

  const [taken] = logger.of('channel.acquire')
  expect(taken).toMatchObject({ channel: 1, lease: expect.any(Number), reused: expect.any(Boolean) })
  expect(logger.of('channel.release')).toEqual([
    expect.objectContaining({ channel: 1, lease: taken?.lease, publishes: 5, heldMs: expect.any(Number) }),
  ])
})

function publishTimes<T>(count: number, publish: (index: number) => Promise<T>): Promise<T>[] {
  return Array.from({ length: count }, (_, index) => publish(index))
}

/** Lets the event loop turn, so that whatever is due happens. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** The time that a `not sent in ... ms` tells. */
function waitOf({ message }: Error): number {
  return Number(/not sent in (\d+) ms/.exec(message)?.[1])
}
