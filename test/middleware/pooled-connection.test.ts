import { describe, expect, test } from '@jest/globals'
import { type ChannelModel, connect } from 'amqplib'
import { type ConfirmChannel, type Connection, connect as connectWithCallback } from 'amqplib/callback_api'
import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { makePool, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** A connection of the user's own, over a pool. */
async function wrappedConnection(pool: ProducerPool): Promise<ChannelModel> {
  const connection = await connect(broker.url, { noDelay: true })
  afterTest(() => connection.close())
  return withPooledProducer(connection, pool)
}

async function inBatches(count: number, size: number, run: (index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < count; start += size) {
    await Promise.all(Array.from({ length: size }, (_, index) => run(start + index)))
  }
}

describe.each(WRITE_PATHS)('a channel opened and closed for each of 10,000 publishes, with %s', (_, fastPath) => {
  const COUNT = 10_000

  async function expectAll(queue: string, pool: ProducerPool): Promise<void> {
    const bodies = (await queues.take(queue, COUNT)).map(({ content }) => content.toString())
    expect(bodies.sort()).toEqual(Array.from({ length: COUNT }, (_, index) => `${index}`).sort())
    expect(pool.stats()).toMatchObject({ publishes: COUNT, confirms: COUNT, leases: COUNT, leased: 0, retries: 0 })
    expect(pool.stats().channelsOpened).toBeLessThanOrEqual(4)
  }

  test('takes no more than maxChannels channels when it waits for confirms', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxChannels: 4 })
    const connection = await wrappedConnection(pool)
    const queue = await queues.declare()

    await inBatches(COUNT, 200, async (index) => {
      const channel = await connection.createConfirmChannel()
      channel.sendToQueue(queue, Buffer.from(`${index}`))
      await channel.waitForConfirms()
      await channel.close()
    })

    await expectAll(queue, pool)
  }, 60_000)

  test('takes no more than maxChannels channels with confirm callbacks', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxChannels: 4 })
    const connection = await wrappedConnection(pool)
    const queue = await queues.declare()

    await inBatches(COUNT, 200, async (index) => {
      const channel = await connection.createConfirmChannel()
      await new Promise<void>((resolve, reject) => {
        channel.sendToQueue(queue, Buffer.from(`${index}`), {}, (error) => (error ? reject(error) : resolve()))
      })
      await channel.close()
    })

    await expectAll(queue, pool)
  }, 60_000)

  test('takes no more than maxChannels channels on plain channels: closed means that all has arrived', async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxChannels: 4 })
    const connection = await wrappedConnection(pool)
    const queue = await queues.declare()

    await inBatches(COUNT, 200, async (index) => {
      const channel = await connection.createChannel()
      channel.sendToQueue(queue, Buffer.from(`${index}`))
      await channel.close()
    })

    expect(await queues.depth(queue)).toBe(COUNT)
    await expectAll(queue, pool)
  }, 60_000)

  test("takes no more than maxChannels channels in amqplib's callback API", async () => {
    const pool = makePool({ broker: broker.url, fastPath, maxChannels: 4 })
    const connection = await new Promise<Connection>((resolve, reject) => {
      connectWithCallback(broker.url, { noDelay: true }, (error, model) => (error ? reject(error) : resolve(model)))
    })
    afterTest(() => new Promise((resolve) => connection.close(resolve)))
    withPooledProducer(connection as never, pool)
    const queue = await queues.declare()

    await inBatches(COUNT, 200, (index) => {
      return new Promise((resolve, reject) => {
        const fail = (error: unknown) => error && reject(error)
        connection.createConfirmChannel((error: unknown, channel: ConfirmChannel) => {
          if (error) return reject(error)
          channel.sendToQueue(queue, Buffer.from(`${index}`), {}, (failure: unknown) => {
            fail(failure)
            channel.close((failure: unknown) => (failure ? reject(failure) : resolve()))
          })
        })
      })
    })

    await expectAll(queue, pool)
  }, 60_000)
})

test("in amqplib's callback API every operation answers its callback", async () => {
  const pool = makePool({ broker: broker.url })
  const connection = await new Promise<Connection>((resolve, reject) => {
    connectWithCallback(broker.url, { noDelay: true }, (error, model) => (error ? reject(error) : resolve(model)))
  })
  afterTest(() => new Promise((resolve) => connection.close(resolve)))
  withPooledProducer(connection as never, pool)
  const queue = queues.name()
  const call = <T>(run: (done: (error: unknown, value: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => run((error, value) => (error ? reject(error) : resolve(value))))

  const channel = await call<ConfirmChannel>((done) => connection.createConfirmChannel(done))
  expect(await call((done) => channel.assertQueue(queue, {}, done))).toMatchObject({ queue, messageCount: 0 })
  expect(await call((done) => channel.checkQueue(queue, done))).toMatchObject({ queue })
  channel.sendToQueue(queue, Buffer.from('hello'))
  await call<unknown>((done) => channel.waitForConfirms(done as never))
  const body = await new Promise((resolve, reject) => {
    channel.consume(
      queue,
      (message) => resolve(message?.content.toString()),
      { noAck: true },
      (error) => error && reject(error),
    )
  })
  expect(body).toBe('hello')
  await call((done) => channel.close(done as never))
  const failure = await new Promise((resolve) => channel.checkQueue(queue, resolve as never))
  expect(failure).toMatchObject({ code: 'ERR_PRODUCER_RELEASED' })
})

test("the connection's own events and close are left alone", async () => {
  const pool = makePool({ broker: broker.url })
  const connection = await connect(broker.url, { noDelay: true })
  const closed = new Promise((resolve) => connection.on('close', resolve))
  const wrapped = withPooledProducer(connection, pool)

  expect(wrapped).toBe(connection)
  await connection.close()
  await closed

  const channel = await wrapped.createChannel()
  await channel.close()
  expect(pool.state).toBe('open')
})

test('createChannel is rejected by its deadline when there is no broker', async () => {
  const connection = await wrappedConnection(makePool({ broker: NOWHERE, acquireTimeoutMs: 50 }))

  await expect(connection.createChannel()).rejects.toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
  await expect(connection.createConfirmChannel()).rejects.toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
})

test('as many as maxChannels channels are open at a time; the next waits until one is closed', async () => {
  const pool = makePool({ broker: broker.url, maxChannels: 2 })
  const connection = await wrappedConnection(pool)
  const [first, second] = [await connection.createChannel(), await connection.createChannel()]
  let isThird = false
  const third = connection.createChannel().then((channel) => {
    isThird = true
    return channel
  })
  await second.checkExchange('amq.direct')
  expect(isThird).toBe(false)

  await first.close()

  await (await third).close()
  await second.close()
  expect(pool.stats()).toMatchObject({ channelsOpened: 2, leases: 3, leased: 0 })
})
