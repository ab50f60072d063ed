import { describe, expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  test('10,000 messages of one lease arrive in the order of publishing', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxInFlight: 100 })
    const queue = await queues.declare({ durable: false })
    const producer = await pool.acquire()
    const bodies = Array.from({ length: 10_000 }, (_, index) => `${index}`)

    const receipts = await Promise.all(bodies.map((body) => producer.publish({ routingKey: queue, body })))
    producer.release()

    const arrived = await queues.take(queue, 10_000)
    expect(arrived.map(({ content }) => content.toString())).toEqual(bodies)
    expect(new Set(receipts.map(({ channel }) => channel))).toEqual(new Set([producer.channelId]))
    expect(pool.stats()).toMatchObject({ publishes: 10_000, confirms: 10_000, retries: 0, inFlight: 0 })
  })

  test('a release with messages unwritten still delivers them, each once', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxInFlight: 10, maxChannels: 2 })
    const queue = await queues.declare({ durable: false })
    const producer = await pool.acquire()
    const bodies = Array.from({ length: 500 }, (_, index) => `${index}`)
    const confirms = bodies.map((body) => producer.publish({ routingKey: queue, body }))
    producer.release()
    await Promise.all(confirms)

    expect((await queues.bodies(queue)).sort()).toEqual(bodies.sort())
    expect(pool.stats()).toMatchObject({ confirms: 500, waiting: 0, leased: 0 })
  })

  test('a channel is given back after the write; its confirm comes when it comes', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = makePool({ broker: proxy.url, fastPath, maxChannels: 1 })
    const queue = await queues.declare()
    const producer = await pool.acquire()
    await proxy.set('delay', { ms: 60_000 })
    const first = producer.publish({ routingKey: queue, body: '1' })
    producer.release()

    expect(pool.stats()).toMatchObject({ leased: 0, inFlight: 1, idle: 1 })
    const next = await pool.acquire()
    const second = next.publish({ routingKey: queue, body: '2' })
    next.release()
    expect(pool.stats().inFlight).toBe(2)
    await proxy.set('pass')
    await Promise.all([first, second])
    expect(await queues.bodies(queue)).toEqual(['1', '2'])
  })

  test('a lease outlives its channel, also when there can be only one', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = makePool({ broker: proxy.url, fastPath, maxChannels: 1, publishTimeoutMs: 30_000 })
    const queue = await queues.declare()
    const producer = await pool.acquire()
    await producer.publish({ routingKey: queue, body: 'before' })
    proxy.reset()
    await until(() => pool.stats().channelsClosed === 1)

    const receipt = await producer.publish({ routingKey: queue, body: 'after' })
    expect(receipt.channel).not.toBe(producer.channelId)
    expect(await queues.bodies(queue)).toEqual(['before', 'after'])
    producer.release()
    expect(() => producer.release()).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
    await until(() => pool.stats().idle === 1)
    expect(pool.stats()).toMatchObject({ leased: 0, channels: 1 })
  })

  test('leases on dead channels keep nobody from publishing', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = makePool({ broker: proxy.url, fastPath, maxChannels: 2, publishTimeoutMs: 30_000 })
    const queue = await queues.declare()
    const leases = await Promise.all([pool.acquire(), pool.acquire()])
    proxy.reset()
    await until(() => pool.stats().channelsClosed === 2)

    await pool.publish({ routingKey: queue, body: 'x' })
    const next = await pool.acquire()
    await next.publish({ routingKey: queue, body: 'y' })
    for (const lease of [...leases, next]) lease.release()
    expect(pool.stats().channels).toBeLessThanOrEqual(2)
    expect(await queues.bodies(queue)).toEqual(['x', 'y'])
  })

  test('messages of a lease that are not written yet survive the loss of the connection', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = makePool({ broker: proxy.url, fastPath, maxChannels: 2, maxInFlight: 5 })
    const queue = await queues.declare()
    const producer = await pool.acquire()
    await proxy.set('delay', { ms: 60_000 })
    const confirms = Array.from({ length: 50 }, (_, n) => producer.publish({ routingKey: queue, body: `${n}` }))
    await until(() => pool.stats().inFlight === 5)
    expect(pool.stats().waiting).toBe(45)
    proxy.reset()
    await proxy.set('pass')
    await Promise.all(confirms)
    producer.release()

    expect(new Set(await queues.bodies(queue)).size).toBe(50)
    expect(pool.stats()).toMatchObject({ confirms: 50, failures: 0 })
  })

  test('the body is copied: the caller may use its buffer again at once', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const queue = await queues.declare()
    const body = Buffer.from('as it was')
    await pool.use((producer) => {
      const confirmed = producer.publish({ routingKey: queue, body })
      body.fill('x')
      return confirmed
    })

    expect(await queues.bodies(queue)).toEqual(['as it was'])
  })

  test('headers and properties are copied: each message has what was in them when it was published', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const queue = await queues.declare({ durable: false })
    const headers = { count: 0 }
    const properties = { messageId: '', headers }
    const confirms = [1, 2, 3].map((count) => {
      headers.count = count
      properties.messageId = `${count}`
      return pool.publish({ routingKey: queue, body: '', properties })
    })
    await Promise.all(confirms)

    const arrived = (await queues.take(queue, 3)).map(({ properties: { messageId, headers } }) => [messageId, headers])
    expect(arrived).toEqual([1, 2, 3].map((count) => [`${count}`, { count }]))
  })

  test('a returned message is told by its own id, though the next one has taken its properties over', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const queue = await queues.declare({ durable: false })
    const properties = { messageId: 'lost', headers: {} }
    const lost = failureOf(pool.publish({ routingKey: queues.name(), body: '', properties, mandatory: true }))
    properties.messageId = 'found'
    await pool.publish({ routingKey: queue, body: '', properties, mandatory: true })

    expect(await lost).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'refused' })
  })

  test('a receipt tells the channel, the attempts and the time to the confirm', async () => {
    const pool = makePool({ broker: broker.url, fastPath })
    const queue = await queues.declare()
    const producer = await pool.acquire()

    const receipt = await producer.publish({ routingKey: queue, body: 'x' })
    expect(receipt).toEqual({ channel: producer.channelId, attempts: 1, confirmMs: expect.any(Number) })
    expect(receipt.confirmMs).toBeGreaterThan(0)
    producer.release()
  })
})

test('all properties arrive as they were given', async () => {
  const properties = {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { text: 'ü', number: 7, flag: true, nothing: null, list: [1, 'two'], table: { deep: [false] } },
    deliveryMode: 2,
    priority: 3,
    correlationId: 'correlation',
    replyTo: 'reply',
    expiration: '60000',
    messageId: 'message',
    timestamp: 1_795_341_600,
    type: 'type',
    appId: 'app',
  }
  const queue = await queues.declare()
  for (const fastPath of [true, false]) {
    const pool = makePool({ broker: broker.url, fastPath })
    await pool.publish({ routingKey: queue, body: 'é', properties })
    const [message] = await queues.take(queue, 1)

    expect(message?.content.toString()).toBe('é')
    expect(message?.properties).toMatchObject(properties)
  }
})

test.each([
  [null, /the message must be an object/],
  [{ body: 'x' }, /routingKey must be a string/],
  [{ routingKey: 'q' }, /body must be a string/],
  [{ routingKey: 'q', body: 1 }, /body must be a string/],
  [{ routingKey: 'q'.repeat(256), body: '' }, /255 bytes/],
  [{ routingKey: 'q', body: '', key: 1 }, /message\.key is not known/],
  [{ routingKey: 'q', body: '', mandatory: 1 }, /mandatory must be true or false/],
  [{ routingKey: 'q', body: '', properties: { priority: 256 } }, /priority must be an integer from 0 to 255/],
  [{ routingKey: 'q', body: '', properties: { headers: [] } }, /headers must be an object/],
  [{ routingKey: 'q', body: '', properties: { persistent: true } }, /persistent is not known/],
  [{ routingKey: 'q', body: '', properties: { expiration: 60 } }, /expiration must be a string/],
])('the message %j is ERR_INVALID_OPTION, for a lease and without one', async (message, text) => {
  const pool = makePool({ broker: broker.url })
  const producer = await pool.acquire()
  const expected = expect.objectContaining({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(text),
    outcome: 'not-sent',
  })

  await expect(producer.publish(message as never)).rejects.toEqual(expected)
  await expect(pool.publish(message as never)).rejects.toEqual(expected)
  expect(pool.stats()).toMatchObject({ confirms: 0, inFlight: 0, waiting: 0, bufferedBytes: 0 })
  producer.release()
})
