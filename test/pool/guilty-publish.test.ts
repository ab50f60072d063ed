import { describe, expect, jest, test } from '@jest/globals'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { rabbitmqTest, uniqueName, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makeProxy, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  test('a mandatory message that no queue takes is ERR_UNROUTABLE for itself alone', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const queue = await queues.declare()
    const missing = uniqueName('missing')
    const publish = (routingKey: string, body: string) => pool.publish({ routingKey, body, mandatory: true })

    const outcomes = await Promise.allSettled([
      publish(queue, '1'),
      publish(missing, '2'),
      publish(queue, '3'),
      publish(missing, '4'),
      pool.publish({ routingKey: missing, body: 'nobody asked' }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    const { reason } = outcomes[1] as PromiseRejectedResult
    expect(reason).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'refused', retryable: false })
    expect(reason.message).toContain(`no queue took the message for queue ${missing} (312 NO_ROUTE)`)
    expect(await queues.bodies(queue)).toEqual(['1', '3'])
    expect(pool.stats()).toMatchObject({ returns: 2, failures: 2, confirms: 3, channelsClosed: 0, channelsOpened: 1 })
  })

  for (const [identity, properties] of [
    ['their ids', (index: number) => ({ messageId: `${index}` })],
    ['what is in them', () => ({})],
  ] as const) {
    // Only RabbitMQ has exchanges that route one of two messages with one routing key.
    rabbitmqTest(`returned messages to one place are told apart by ${identity}`, async () => {
      const pool = await readyPool({ broker: broker.url, fastPath })
      const exchange = uniqueName('headers')
      const queue = await queues.declare()
      await queues.channel.assertExchange(exchange, 'headers', { autoDelete: true, durable: false })
      await queues.channel.bindQueue(queue, exchange, '', { route: 'yes' })
      const publish = (index: number) => {
        const headers = { route: index % 3 === 0 ? 'no' : 'yes' }
        const message = { exchange, routingKey: '', body: `${index}`, mandatory: true }
        return pool.publish({ ...message, properties: { ...properties(index), headers, deliveryMode: 2 } })
      }

      const outcomes = await Promise.allSettled(Array.from({ length: 30 }, (_, index) => publish(index)))
      expect(guiltyOf(outcomes)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27])
    })
  }

  test('a missing exchange is the error of the message that names it; the others are sent again', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const queue = await queues.declare()
    const exchange = uniqueName('missing')
    const publishes = Array.from({ length: 40 }, (_, index) => {
      return pool.publish(
        index === 17 ? { exchange, routingKey: '', body: 'guilty' } : { routingKey: queue, body: `${index}` },
      )
    })
    const outcomes = await Promise.allSettled(publishes)

    expect(guiltyOf(outcomes)).toEqual([17])
    const { reason } = outcomes[17] as PromiseRejectedResult
    expect(reason).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused', retryable: false })
    expect(reason.message).toMatch(/404.*NOT_FOUND/)
    expect(reason.message).toContain(exchange)
    expect(reason.cause).toMatchObject({ code: 404 })
    // At least once: those before the guilty one may have been stored before the channel was closed.
    expect(new Set(await queues.bodies(queue)).size).toBe(39)
    expect(pool.stats()).toMatchObject({ confirms: 39, failures: 1 })
  })

  rabbitmqTest(
    'nothing that is stored is told as refused when an exchange is deleted under what is in flight',
    async () => {
      const pool = await readyPool({ broker: broker.url, fastPath, maxChannels: 1 })
      const [queue, exchange] = [await queues.declare(), uniqueName('deleted')]
      const refused: string[] = []
      for (let round = 0; round < 2; round++) {
        await queues.channel.assertExchange(exchange, 'fanout')
        await queues.channel.bindQueue(queue, exchange, '')
        const publish = async (body: string) => {
          const message = { exchange, routingKey: '', body, properties: { deliveryMode: 2 } }
          await pool.publish(message).catch(({ outcome }) => {
            if (outcome === 'refused') refused.push(body)
          })
        }
        const publishes = Array.from({ length: 40 }, (_, index) => publish(`${round}-${index}`))
        const { confirms } = pool.stats()
        await until(() => pool.stats().confirms > confirms)
        const deleted = queues.channel.deleteExchange(exchange)
        publishes.push(...Array.from({ length: 10 }, (_, index) => publish(`${round}-${40 + index}`)))
        await Promise.all([deleted, ...publishes])
      }

      const stored = new Set(await queues.bodies(queue))
      expect(refused.filter((body) => stored.has(body))).toEqual([])
    },
  )

  rabbitmqTest(
    'a message that the broker cannot take, and does not name, is found among fifty innocent ones',
    async () => {
      const pool = await readyPool({ broker: broker.url, fastPath })
      const queue = await queues.declare({ durable: false })
      const publishes = Array.from({ length: 51 }, (_, index) => {
        const properties = index === 20 ? { expiration: 'never' } : {}
        return pool.publish({ routingKey: queue, body: `${index}`, properties })
      })
      const outcomes = await Promise.allSettled(publishes)

      expect(guiltyOf(outcomes)).toEqual([20])
      const { reason } = outcomes[20] as PromiseRejectedResult
      expect(reason).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused', retryable: false })
      expect(reason.message).toMatch(/406.*expiration/)
      const arrived = new Set(await queues.bodies(queue))
      expect(arrived.size).toBe(50)
      expect(arrived.has('20')).toBe(false)
      // The search costs channels only for the guilty one: the first, and the one on which it was found.
      expect(pool.stats().channelsOpened).toBeLessThanOrEqual(4)
    },
  )

  rabbitmqTest('several guilty ones among many are all found, and nobody else', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const queue = await queues.declare({ durable: false })
    const guilty = [3, 4, 30]
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) => {
        const properties = guilty.includes(index) ? { expiration: 'never' } : {}
        return pool.publish({ routingKey: queue, body: `${index}`, properties })
      }),
    )

    expect(guiltyOf(outcomes)).toEqual(guilty)
    expect(new Set(await queues.bodies(queue)).size).toBe(37)
  })

  rabbitmqTest('a guilty publish of a lease spares the lease', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath, maxChannels: 1, publishTimeoutMs: 30_000 })
    const queue = await queues.declare()
    const producer = await pool.acquire()
    const bad = producer.publish({ exchange: uniqueName('missing'), routingKey: '', body: 'x' })
    await expect(bad).rejects.toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused' })

    await producer.publish({ routingKey: queue, body: 'y' })
    producer.release()
    expect(await queues.bodies(queue)).toEqual(['y'])
  })

  rabbitmqTest(
    'a queue that rejects is ERR_NACKED long before the deadline, and at once while that is known',
    async () => {
      const pool = await readyPool({ broker: broker.url, fastPath })
      const queue = await fullQueue()
      const startedAt = performance.now()

      const error = await failureOf(pool.publish({ routingKey: queue, body: 'one too many' }))
      expect(error).toMatchObject({ code: 'ERR_NACKED', outcome: 'refused', retryable: true })
      expect(error.message).toContain(queue)
      expect(performance.now() - startedAt).toBeLessThan(8_000)

      const { channelsOpened } = pool.stats()
      const again = await Promise.allSettled(
        Array.from({ length: 20 }, () => pool.publish({ routingKey: queue, body: 'and more' })),
      )
      expect(again.every(({ status }) => status === 'rejected')).toBe(true)
      expect(pool.stats().channelsOpened).toBe(channelsOpened)
      expect(await queues.depth(queue)).toBe(1)
    },
  )

  rabbitmqTest('a queue that rejects takes nothing from the messages of other queues', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const [full, free] = [await fullQueue(), await queues.declare()]
    const publishes = Array.from({ length: 60 }, (_, index) => {
      return pool.publish({ routingKey: index % 2 === 0 ? full : free, body: `${index}` })
    })
    const outcomes = await Promise.allSettled(publishes)

    expect(guiltyOf(outcomes)).toEqual(Array.from({ length: 30 }, (_, index) => index * 2))
    expect(new Set(await queues.bodies(free)).size).toBe(30)
    await settled(pool)
    expect(pool.stats().channels).toBeLessThanOrEqual(pool.options.maxChannels)
  })

  rabbitmqTest('a queue that has room again takes messages again', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const queue = await fullQueue()
    const publishing = pool.publish({ routingKey: queue, body: 'second' })
    await until(() => pool.stats().retries > 0)
    await queues.take(queue, 1)

    await publishing
    expect(await queues.bodies(queue)).toEqual(['second'])
  })
})

rabbitmqTest('a connection that is lost while the guilty one is searched for harms no innocent one', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url })
  const queue = await queues.declare({ durable: false })
  const publishes = Array.from({ length: 200 }, (_, index) => {
    const properties = index === 150 ? { expiration: 'never' } : {}
    return pool.publish({ routingKey: queue, body: `${index}`, properties })
  })
  await until(() => pool.stats().confirms > 20)
  proxy.reset()
  const outcomes = await Promise.allSettled(publishes)

  expect(guiltyOf(outcomes)).toEqual([150])
  expect(new Set(await queues.bodies(queue)).size).toBe(199)
})

rabbitmqTest('suspects that are all given up keep no channel from those that come later', async () => {
  const abort = new AbortController()
  const logger = new RecordedLog()
  // The first moment at which they are suspects and wait for a channel.
  jest.spyOn(logger, 'info').mockImplementation((fields) => {
    if ('event' in fields && fields.event === 'channel.close') abort.abort()
  })
  const pool = await readyPool({ broker: broker.url, maxChannels: 1, logger })
  const queue = await queues.declare()
  const guilty = { routingKey: queue, body: 'guilty', properties: { expiration: 'never' } }
  const givenUp = [1, 2].map(() => failureOf(pool.publish(guilty, { signal: abort.signal })))
  for (const error of await Promise.all(givenUp)) expect(error).toMatchObject({ code: 'ERR_ABORTED' })
  await until(() => pool.stats().leased === 0)

  const innocent = { routingKey: queue, body: 'innocent' }
  const outcomes = await Promise.allSettled([innocent, guilty, innocent].map((message) => pool.publish(message)))
  expect(guiltyOf(outcomes)).toEqual([1])
})

rabbitmqTest('what was nacked, and finds no queue when it is sent again, is unknown', async () => {
  const pool = await readyPool({ broker: broker.url })
  const queue = await fullQueue()
  const failure = failureOf(pool.publish({ routingKey: queue, body: 'x', mandatory: true }))
  // Nacked on three channels it pauses. One on its way to a queue as that is deleted would be confirmed.
  await until(() => pool.stats().retries === 3)
  await queues.delete(queue)

  expect(await failure).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'unknown' })
})

rabbitmqTest('a suspect that was stored, and is nacked when it is sent again, is unknown', async () => {
  const pool = await readyPool({ broker: broker.url, maxChannels: 1 })
  const queue = await queues.declare({ durable: true, maxLength: 1, overflow: 'reject-publish' } as object)
  // The queue has room for one: the first copy of this message, which leaves none for the second.
  const innocent = failureOf(pool.publish({ routingKey: queue, body: 'innocent' }))
  const guilty = failureOf(pool.publish({ routingKey: queue, body: 'guilty', properties: { expiration: 'never' } }))

  expect(await guilty).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused' })
  expect(await innocent).toMatchObject({ code: 'ERR_NACKED', outcome: 'unknown' })
  expect(await queues.bodies(queue)).toEqual(['innocent'])
})

/** A queue with one message that rejects every other. */
async function fullQueue(): Promise<string> {
  const queue = await queues.declare({ durable: true, maxLength: 1, overflow: 'reject-publish' } as object)
  queues.channel.sendToQueue(queue, Buffer.from('first'))
  await until(async () => (await queues.depth(queue)) === 1)
  return queue
}

async function settled(pool: ProducerPool): Promise<void> {
  await until(() => pool.stats().channelsOpened - pool.stats().channelsClosed === pool.stats().idle)
}

function guiltyOf(outcomes: readonly PromiseSettledResult<unknown>[]): number[] {
  return outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))
}
