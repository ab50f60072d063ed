import { afterAll, describe, expect, test } from '@jest/globals'
import { createCelery } from '../../lib/celery/celery.ts'
import { type Publisher, withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
import type { Producer } from '../../lib/pool/producer.ts'
import { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { makePool, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const NO_BROKER = { broker: NOWHERE, logger: false } as const
const send = async (): Promise<void> => {}

describe('a function', () => {
  test('gets a producer before its own arguments, and its result passes through', async () => {
    const queue = await queues.declare()
    const pool = await readyPool({ broker: broker.url })
    const mail = withPooledProducer(async (producer: Producer, to: string, count: number) => {
      await producer.publish({ routingKey: queue, body: to })
      return count + 1
    }, pool)

    expect(await mail('ada', 1)).toBe(2)

    expect(await queues.bodies(queue)).toEqual(['ada'])
    expect(pool.stats()).toMatchObject({ leases: 1, leased: 0, confirms: 1 })
  })

  test('that is not async gives a promise', async () => {
    const double = withPooledProducer(
      (_: Producer, value: number) => value * 2,
      await readyPool({ broker: broker.url }),
    )

    expect(await double(21)).toBe(42)
  })

  test('keeps the object that it is a method of', async () => {
    const pool = await readyPool({ broker: broker.url })
    const mailer = {
      name: 'ada',
      send: withPooledProducer(async function (this: { name: string }) {
        return this.name
      }, pool),
    }

    expect(await mailer.send()).toBe('ada')
  })

  test.each([
    ['rejects', async () => Promise.reject(new Error('boom'))],
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
  ])('that %s gives the lease back', async (_, fail) => {
    const pool = await readyPool({ broker: broker.url, maxChannels: 1 })

    await expect(withPooledProducer(fail, pool)()).rejects.toThrow('boom')
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  })

  test('is left as it was: it can be wrapped again over another pool', () => {
    const first = withPooledProducer(send, makePool(NO_BROKER))
    const second = withPooledProducer(send, makePool(NO_BROKER))

    expect(first).not.toBe(second)
    expect(first.producerPool).not.toBe(second.producerPool)
    expect(send).not.toHaveProperty('producerPool')
  })

  test('frozen is wrapped all the same: it is not changed', () => {
    const pool = makePool(NO_BROKER)

    expect(
      withPooledProducer(
        Object.freeze(async () => {}),
        pool,
      ).producerPool,
    ).toBe(pool)
  })
})

describe('the pool', () => {
  test('is found as producerPool on the publisher, which stays the same object', () => {
    const pool = makePool(NO_BROKER)
    const publisher = { sendTask: send }

    const wrapped = withPooledProducer(publisher, pool)

    expect(wrapped).toBe(publisher)
    expect(wrapped.producerPool).toBe(pool)
    expect(Object.keys(wrapped)).not.toContain('producerPool')
  })

  test('is made from options', async () => {
    const queue = await queues.declare()
    const options = { broker: broker.url, name: 'mail', maxChannels: 2, logger: false } as const
    const publisher = withPooledProducer(
      {
        sendTask: (_n: string, _a: unknown[], _k: object, { producer }: { producer?: Producer } = {}) =>
          producer?.publish({ routingKey: queue, body: 'hello' }),
      },
      options,
    )
    afterTest(() => publisher.producerPool.close())

    await publisher.sendTask('t', [], {})

    expect(publisher.producerPool).toBeInstanceOf(ProducerPool)
    expect(publisher.producerPool.options).toMatchObject({ name: 'mail', maxChannels: 2 })
    expect(await queues.bodies(queue)).toEqual(['hello'])
  })

  test('serves several publishers', () => {
    const pool = makePool(NO_BROKER)

    expect(withPooledProducer({ sendTask: send }, pool).producerPool).toBe(pool)
    expect(withPooledProducer({ sendTask: send }, pool).producerPool).toBe(pool)
  })

  test.each<[string, unknown, string]>([
    ['an unknown option', { maxChanels: 3 }, 'did you mean maxChannels?'],
    ['a bad value', { maxChannels: 0 }, 'maxChannels must be an integer from 1'],
    ['null', null, 'must be a plain object, got null'],
    ['a URL', 'amqp://127.0.0.1', 'must be a plain object, got "amqp://..."'],
  ])('is not made from %s, and the publisher is left as it was', (_, options, message) => {
    const publisher = { sendTask: send }

    expect(() => withPooledProducer(publisher, options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(message) }),
    )
    expect(publisher).toEqual({ sendTask: send })
  })
})

describe('an invalid publisher', () => {
  class Mailer {
    sendTask = send
  }
  const app = createCelery(NO_BROKER)
  afterAll(() => app.close())

  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'must be an object or a function, got undefined'],
    ['null', null, 'must be an object or a function, got null'],
    ['a number', 42, 'must be an object or a function, got 42'],
    ['a URL', 'amqp://127.0.0.1', 'must be an object or a function, got "amqp://..."'],
    ['a boolean', true, 'must be an object or a function, got true'],
    ['a symbol', Symbol('pool'), 'must be an object or a function, got a symbol'],
    ['a BigInt', 1n, 'must be an object or a function, got 1n'],
    ['an empty object', {}, 'has neither sendTask() nor createChannel()'],
    ['an array', [send], 'it is an array of 1'],
    ['a Map', new Map(), 'it is an instance of Map'],
    ['a sendTask that is no function', { sendTask: 'mail' }, 'has neither sendTask()'],
    ['only createTask', { createTask: send }, 'has neither sendTask()'],
    ['a channel', { publish: send, sendToQueue: send, assertQueue: send }, 'has neither sendTask()'],
    ['only createChannel', { createChannel: send }, 'has no createConfirmChannel()'],
    ['only createConfirmChannel', { createConfirmChannel: send }, 'has no createChannel()'],
    ['the promise of a connection', Promise.resolve({ createChannel: send }), 'is a promise: await it first'],
    ['a class', Mailer, 'is a class: pass an instance of it'],
    ['a frozen object', Object.freeze({ sendTask: send }), 'is frozen or sealed'],
    ['a sealed object', Object.seal({ sendTask: send }), 'is frozen or sealed'],
    ['a method that is fixed', Object.defineProperty({}, 'sendTask', { value: send }), 'has a sendTask that cannot be'],
    ['an app of our own', app, 'is an app of createCelery()'],
    ['a pool', app.pool, 'it is an instance of ProducerPool'],
  ])('is refused, saying what was missing: %s', (_, publisher, message) => {
    expect(() => withPooledProducer(publisher as Publisher, NO_BROKER)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_PUBLISHER',
        retryable: false,
        message: expect.stringContaining(message),
      }),
    )
  })

  test('is one that is wrapped already', () => {
    const pool = makePool(NO_BROKER)
    const object = withPooledProducer({ sendTask: send }, pool)
    const client = withPooledProducer({ sendTask: send, createTask: send }, pool)
    const connection = withPooledProducer({ createChannel: send, createConfirmChannel: send }, pool)
    const fn = withPooledProducer(send, pool)

    for (const publisher of [object, client, connection, fn]) {
      expect(() => withPooledProducer(publisher as Publisher, pool)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_PUBLISHER', message: expect.stringContaining('wrapped already') }),
      )
    }
  })

  test('is refused before a pool is made for it', () => {
    const frozen = Object.freeze({ sendTask: send })

    expect(() => withPooledProducer(frozen, { broker: 'no URL at all' })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_PUBLISHER' }),
    )
  })
})
