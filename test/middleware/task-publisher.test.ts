import { describe, expect, test } from '@jest/globals'
import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
import type { Producer } from '../../lib/pool/producer.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { useBroker } from '../support/broker.ts'
import { makePool, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { startScript } from '../support/script.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

interface Options {
  readonly producer?: Producer
  readonly queue?: string
  readonly [name: string]: unknown
}

type Send = (name: string, args: unknown[], kwargs: object, options: Options) => unknown

/** A publisher whose `sendTask` is the function given, and a pool of one channel below it. */
async function wrapped(sendTask: Send): Promise<{ publisher: { sendTask: Send }; pool: ProducerPool }> {
  const pool = await readyPool({ broker: broker.url, maxChannels: 1, acquireTimeoutMs: 500 })
  return { publisher: withPooledProducer({ sendTask }, pool), pool }
}

/** Code of a user's own, with all that makes a method hard to replace. */
class Mailer {
  readonly #queue: string
  readonly #sent: string[] = []

  constructor(queue: string) {
    this.#queue = queue
  }

  get sent(): readonly string[] {
    return this.#sent
  }

  async sendTask(name: string, args: unknown[], kwargs: object, options: Options = {}): Promise<string> {
    await options.producer?.publish({ routingKey: this.#queue, body: JSON.stringify([name, args, kwargs]) })
    this.#sent.push(name)
    return `sent ${name} in lease ${options.producer?.lease}`
  }

  welcome(user: string): Promise<string> {
    return this.sendTask('mail.welcome', [user], { urgent: true })
  }

  async welcomeAll(users: string[]): Promise<string[]> {
    return Promise.all(users.map((user) => this.welcome(user)))
  }
}

test('sendTask finds a producer in its options, works on its own object, and its result passes through', async () => {
  const queue = await queues.declare()
  const pool = await readyPool({ broker: broker.url })
  const mailer = withPooledProducer(new Mailer(queue), pool)

  expect(await mailer.sendTask('mail.send', ['ada'], {})).toBe('sent mail.send in lease 1')

  expect(mailer.sent).toEqual(['mail.send'])
  expect(await queues.bodies(queue)).toEqual(['["mail.send",["ada"],{}]'])
  expect(pool.stats()).toMatchObject({ publishes: 1, confirms: 1, leases: 1, leased: 0 })
})

test('methods that call this.sendTask are pooled too', async () => {
  const queue = await queues.declare()
  const pool = await readyPool({ broker: broker.url, maxChannels: 2 })
  const mailer = withPooledProducer(new Mailer(queue), pool)

  expect(await mailer.welcome('ada')).toBe('sent mail.welcome in lease 1')
  await mailer.welcomeAll(Array.from({ length: 50 }, (_, index) => `user ${index}`))

  expect(mailer.sent).toHaveLength(51)
  expect(await queues.depth(queue)).toBe(51)
  expect(pool.stats()).toMatchObject({ leases: 51, leased: 0 })
  expect(pool.stats().channelsOpened).toBeLessThanOrEqual(2)
})

test('its other options and arguments arrive as they were given', async () => {
  const calls: unknown[][] = []
  const { publisher } = await wrapped((...args) => calls.push(args))
  const options = Object.freeze({ queue: 'mail', countdown: 5 })

  await (publisher.sendTask as (...args: unknown[]) => unknown)('t', [1], { a: 2 }, options, 'one more')
  await (publisher.sendTask as (...args: unknown[]) => unknown)('t')

  const producer = expect.objectContaining({ isReleased: true })
  expect(calls).toEqual([
    ['t', [1], { a: 2 }, { queue: 'mail', countdown: 5, producer }, 'one more'],
    ['t', undefined, undefined, { producer }],
  ])
})

test('a sendTask that is a field of the object is replaced as well', async () => {
  const queue = await queues.declare()
  const pool = await readyPool({ broker: broker.url })
  class Sender {
    body = 'mine'
    sendTask = (_name: string, _args: unknown[], _kwargs: object, { producer }: Options = {}) => {
      return producer?.publish({ routingKey: queue, body: this.body })
    }
  }
  const sender = withPooledProducer(new Sender(), pool)

  await sender.sendTask('t', [], {})

  expect(await queues.bodies(queue)).toEqual(['mine'])
})

describe('the lease is given back', () => {
  const boom = new Error('boom')

  test('when sendTask resolves, and not before', async () => {
    let finish = (_value: string): void => {}
    const { publisher, pool } = await wrapped(() => new Promise((resolve) => (finish = resolve)))
    const sending = publisher.sendTask('t', [], {}, {})
    await expect(pool.acquire({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
    expect(pool.stats().leased).toBe(1)

    finish('done')

    expect(await sending).toBe('done')
    expect(pool.stats().leased).toBe(0)
  })

  test('when sendTask rejects, with its own error', async () => {
    const { publisher, pool } = await wrapped(async () => {
      throw boom
    })

    await expect(publisher.sendTask('t', [], {}, {})).rejects.toBe(boom)
    expect(pool.stats().leased).toBe(0)
  })

  test('when sendTask throws before it has a promise', async () => {
    const { publisher, pool } = await wrapped(() => {
      throw boom
    })

    await expect(publisher.sendTask('t', [], {}, {})).rejects.toBe(boom)
    expect(pool.stats().leased).toBe(0)
  })

  test('when sendTask returns something else than a promise', async () => {
    const { publisher, pool } = await wrapped(() => 42)

    expect(await publisher.sendTask('t', [], {}, {})).toBe(42)
    expect(pool.stats().leased).toBe(0)
  })

  test('once, when sendTask has given it back itself', async () => {
    const { publisher, pool } = await wrapped(async (_name, _args, _kwargs, { producer }) => {
      producer?.release()
      return 'released'
    })

    expect(await publisher.sendTask('t', [], {}, {})).toBe('released')
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
  })
})

test('a sendTask that calls itself with its options goes on with the lease that it has', async () => {
  const queue = await queues.declare()
  const { publisher, pool } = await wrapped(async function (this: { sendTask: Send }, name, args, kwargs, options) {
    if (args.length > 1) return Promise.all(args.map((arg) => this.sendTask(name, [arg], kwargs, options)))
    return options.producer?.publish({ routingKey: queue, body: JSON.stringify(args) })
  })

  await publisher.sendTask('t', [1, 2, 3], {}, {})

  expect(await queues.bodies(queue)).toEqual(['[1]', '[2]', '[3]'])
  expect(pool.stats()).toMatchObject({ leases: 1, leased: 0 })
})

test("a lease of the caller's own is used, and stays the caller's", async () => {
  const { publisher, pool } = await wrapped((_name, _args, _kwargs, { producer }) => producer?.lease)
  const producer = await pool.acquire()

  expect(await publisher.sendTask('t', [], {}, { producer })).toBe(producer.lease)
  expect(producer.isReleased).toBe(false)
  producer.release()
})

test('without a broker each call is rejected by its deadline, and sendTask is not run', async () => {
  let runs = 0
  const publisher = withPooledProducer({ sendTask: () => runs++ }, makePool({ broker: NOWHERE, acquireTimeoutMs: 50 }))

  await expect(publisher.sendTask()).rejects.toMatchObject({
    code: 'ERR_ACQUIRE_TIMEOUT',
    cause: expect.objectContaining({ code: 'ERR_BROKER_UNAVAILABLE' }),
  })
  expect(runs).toBe(0)
})

test('a call that nobody awaits ends no process when there is no broker', async () => {
  const script = startScript(`
    import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
    const options = { broker: '${NOWHERE}', logger: false, acquireTimeoutMs: 20 }
    const publisher = withPooledProducer({ sendTask: async () => {} }, options)
    publisher.sendTask('t')
    const send = withPooledProducer(async (producer) => {}, options)
    send()
    await new Promise((resolve) => publisher.sendTask('t').catch(resolve))
    await new Promise((resolve) => send().catch(resolve))
    await new Promise(setImmediate)
    console.log('alive')
    process.exit(0)
  `)

  expect(await script.nextLine()).toBe('alive')
  expect(await script.ended).toEqual({ code: 0, signal: null })
})
