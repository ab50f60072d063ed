import { describe, expect, jest, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import { AmqpBroker, Client, createClient, RedisBroker, Serializer, type Task } from 'celery-ts'
import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { startScript } from '../support/script.ts'
import { addHeaders } from './add-headers.ts'
import { published } from './celery-clients.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** What a client keeps to itself. */
interface Parts {
  readonly brokers: readonly AmqpBroker[]
}

/** A client of celery-ts's, whose connections are closed after the test. It connects as it is made. */
function makeClient({ queue = queues.name() }: { queue?: string } = {}): Client {
  const { hostname, port, username, password } = new URL(broker.url)
  const address = { protocol: 'amqp', hostname, port: Number(port), username, password }
  const client = new Client({ brokers: [new AmqpBroker(address)], id: 'app', taskDefaults: { queue } })
  afterTest(() => client.end())
  return client
}

function wrappedClient(queue: string, pool: ProducerPool = makePool({ broker: broker.url })): Client {
  return withPooledProducer(makeClient({ queue }), pool)
}

async function messageOf(queue: string): Promise<ConsumeMessage> {
  const [message] = await queues.take(queue, 1)
  return message as ConsumeMessage
}

/** How often the process calls these methods of celery-ts's own channels, which are of an amqplib of its own. */
async function spiedChannels(client: Client): Promise<{ readonly opened: () => number }> {
  const connection = await (client as unknown as { brokers: { connection: Promise<object> }[] }).brokers[0]?.connection
  const createChannel = jest.spyOn(connection as { createChannel(): unknown }, 'createChannel')
  return { opened: () => createChannel.mock.calls.length }
}

describe('a call', () => {
  test('sends a full protocol v2 message, with the limits in the order that Celery reads', async () => {
    const queue = queues.name()
    const pool = makePool({ broker: broker.url })
    const made = makeClient({ queue })
    const client = withPooledProducer(
      new Client({
        brokers: (made as unknown as Parts).brokers as AmqpBroker[],
        id: 'app-1',
        taskDefaults: { queue, hardTimeLimit: 60, softTimeLimit: 50, deliveryMode: 'transient' },
      }),
      pool,
    )
    const eta = new Date(Date.now() - 1_000)

    const result = client
      .createTask('tasks.add')
      .applyAsync({ args: [1, 'zwei'], kwargs: { three: 3 }, eta, priority: 4 })
    await published(result)

    const { content, properties } = await messageOf(queue)
    expect(JSON.parse(content.toString())).toEqual([
      [1, 'zwei'],
      { three: 3 },
      { callbacks: null, chain: null, chord: null, errbacks: null },
    ])
    const { headers, ...others } = properties
    expect(others).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 1,
      priority: 4,
      replyTo: 'app-1',
    })
    const { taskId } = result as unknown as { taskId: string }
    const given = { eta: eta.toISOString().replace('Z', '000+00:00'), timelimit: [60, 50] }
    expect(headers).toEqual(addHeaders(taskId, given))
  })

  test('opens no channel of the client’s, and declares its queue once for all calls', async () => {
    const queue = queues.name()
    const pool = makePool({ broker: broker.url, maxChannels: 2 })
    const client = makeClient({ queue })
    const own = await spiedChannels(client)
    const add = withPooledProducer(client, pool).createTask('tasks.add')

    for (let n = 0; n < 20; n++) await published(add.applyAsync({ args: [n, n], kwargs: {} }))
    await Promise.all(Array.from({ length: 200 }, (_, n) => published(add.applyAsync({ args: [n, n], kwargs: {} }))))
    expect(own.opened()).toBe(0)
    expect(await queues.depth(queue)).toBe(220)
    expect(pool.stats()).toMatchObject({ confirms: 220, failures: 0 })
    expect(pool.stats().channelsOpened).toBeLessThanOrEqual(2)

    // Not declared again: a queue that was deleted is missed.
    await queues.delete(queue)
    await expect(published(add.applyAsync({ args: [1, 1], kwargs: {} }))).rejects.toMatchObject({
      code: 'ERR_UNROUTABLE',
    })
  })

  test('of a task made before the wrap goes through the pool too', async () => {
    const queue = queues.name()
    const client = makeClient({ queue })
    const add: Task<number> = client.createTask('tasks.add')
    const { producerPool } = withPooledProducer(client, makePool({ broker: broker.url }))

    // Without a backend its result is an error, which the client leaves unawaited.
    await expect(add.applyAsync({ args: [1, 2], kwargs: {} }).get()).rejects.toThrow('null backend')
    await producerPool.drain()

    expect(producerPool.stats().confirms).toBe(1)
    expect(await queues.depth(queue)).toBe(1)
  })

  test('with ignoreResult says so to the worker, which celery-ts does not', async () => {
    const queue = queues.name()
    const client = wrappedClient(queue)
    const add = client.createTask('tasks.add')
    await published(add.applyAsync({ args: [], kwargs: {}, ignoreResult: true }))
    await published(add.applyAsync({ args: [], kwargs: {} }))

    const messages = await queues.take(queue, 2)
    expect(messages.map(({ properties }) => properties.headers?.ignore_result)).toEqual([true, false])
  })

  test('goes to the queue of the call, and expires in the broker as well', async () => {
    const [own, other] = [queues.name(), queues.name()]
    const expires = new Date(Date.now() + 600_000)
    await published(wrappedClient(own).createTask('t').applyAsync({ args: [], kwargs: {}, queue: other, expires }))

    const { properties } = await messageOf(other)
    expect(properties.headers?.expires).toBe(`${expires.toISOString().replace('Z', '000+00:00')}`)
    expect(Number(properties.expiration)).toBeGreaterThan(500_000)
  })
})

describe('what goes wrong', () => {
  test('rejects `published`, is logged and counted, and ends no process', async () => {
    const logger = new RecordedLog()
    const pool = makePool({ broker: NOWHERE, publishTimeoutMs: 100, logger })
    const add = wrappedClient(queues.name(), pool).createTask('tasks.add')

    const error = await failureOf(published(add.applyAsync({ args: [1, 2], kwargs: {} })))
    expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', outcome: 'not-sent', taskId: expect.any(String) })
    // Nobody awaits this one, neither here nor in the client.
    add.applyAsync({ args: [1, 2], kwargs: {} })
    await until(() => pool.stats().failures === 2)
    expect(logger.of('publish.fail')).toHaveLength(2)
  })

  test('a name that no task can have is refused before anything is sent', async () => {
    const pool = makePool({ broker: broker.url })
    const client = wrappedClient(queues.name(), pool)

    expect(await failureOf(published(client.createTask('').applyAsync({ args: [], kwargs: {} })))).toMatchObject({
      code: 'ERR_INVALID_TASK',
      message: expect.stringContaining('name'),
    })
  })

  test('a client of a Redis broker is refused: its workers listen elsewhere', async () => {
    const redis = Object.create(RedisBroker.prototype)
    const client = new Client({ brokers: [redis], id: 'app' })

    expect(() => withPooledProducer(client, makePool({ broker: broker.url }))).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_PUBLISHER',
        message: expect.stringContaining('an instance of RedisBroker'),
      }),
    )
  })

  test('a client that is wrapped already is refused, and so is one that shares a broker with it', async () => {
    const pool = makePool({ broker: broker.url })
    const client = withPooledProducer(makeClient(), pool)
    const twin = new Client({ brokers: (client as unknown as Parts).brokers as AmqpBroker[], id: 'twin' })

    for (const wrapped of [client, twin]) {
      expect(() => withPooledProducer(wrapped, pool)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_PUBLISHER', message: expect.stringContaining('already') }),
      )
    }
  })
})

celeryTest(
  'a real worker runs what it is sent, in every form, and the client’s own results arrive as before',
  async () => {
    const worker = await startCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })
    afterTest(() => worker.stop())
    // In a process of its own: the timers of the client's results hold one for a day.
    const script = startScript(`
      import { Compressor, createClient } from 'celery-ts'
      import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'

      const url = process.env.TEST_BROKER_URL
      const client = withPooledProducer(createClient({ brokerUrl: url, resultBackend: url.replace('amqp', 'rpc') }), {
        broker: url,
        logger: false,
      })
      const add = client.createTask('tasks.add')
      const [queue, kwargs] = [${JSON.stringify(worker.queue)}, {}]
      const results = [
        add.applyAsync({ queue, kwargs, args: [1, 2] }),
        add.applyAsync({ queue, kwargs, args: [3, 4], compression: Compressor.Zlib }),
        add.applyAsync({ queue, kwargs, args: [5, 6], eta: new Date(Date.now() + 100) }),
        client.createTask('tasks.fail').applyAsync({ queue, kwargs, args: [], ignoreResult: true }),
      ]
      await Promise.all(results.map(({ published }) => published))
      const values = await Promise.all(results.slice(0, 3).map((result) => result.get(20_000)))
      const { confirms, failures } = client.producerPool.stats()
      console.log(JSON.stringify({ values, confirms, failures }))
      process.exit()
    `)
    afterTest(() => script.process.kill())

    expect(JSON.parse(await script.nextLine())).toEqual({ values: [3, 7, 11], confirms: 4, failures: 0 })
  },
  60_000,
)

test('createClient of celery-ts is wrapped as it is, and a body in YAML stays one', async () => {
  const queue = queues.name()
  const client = createClient({ brokerUrl: broker.url })
  afterTest(() => client.end())
  const task = withPooledProducer(client, makePool({ broker: broker.url })).createTask('tasks.add')
  await published(task.applyAsync({ args: [1], kwargs: {}, queue, serializer: Serializer.Yaml }))

  const { content, properties } = await messageOf(queue)
  expect(properties).toMatchObject({ contentType: 'application/x-yaml', headers: { argsrepr: '(1,)' } })
  expect(content.toString()).toContain('- 1')
})
