import { describe, expect, jest, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { celeryTest, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makePool, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { startScript } from '../support/script.ts'
import { addHeaders } from './add-headers.ts'
import { type Client, hasBrokerConnection, makeClient, published, startWorker } from './celery-clients.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function wrappedClient(queue: string, pool: ProducerPool = makePool({ broker: broker.url })): Client {
  return withPooledProducer(makeClient({ broker: NOWHERE, backend: broker.url, queue }), pool)
}

async function bodyOf(queue: string): Promise<unknown> {
  const [message] = await queues.take(queue, 1)
  return JSON.parse((message as ConsumeMessage).content.toString())
}

describe('a call', () => {
  test("returns the client's own result at once, with the confirm beside it", async () => {
    const queue = queues.name()
    const pool = makePool({ broker: broker.url })
    const client = wrappedClient(queue, pool)
    const own = client.asyncResult('any')

    const result = client.createTask('tasks.add').delay(1, 2)

    expect(result.constructor).toBe(own.constructor)
    expect(result.taskId).toMatch(UUID)
    expect(pool.stats().confirms).toBe(0)
    const receipt = await published(result)
    expect(receipt).toEqual({
      taskId: result.taskId,
      channel: expect.any(Number),
      attempts: 1,
      confirmMs: expect.any(Number),
    })
    expect(await bodyOf(queue)).toEqual([[1, 2], {}, { callbacks: null, errbacks: null, chain: null, chord: null }])
  })

  test('of a task made before the wrap goes through the pool too', async () => {
    const queue = queues.name()
    const client = makeClient({ broker: NOWHERE, backend: broker.url, queue })
    const add = client.createTask('tasks.add')
    const { producerPool } = withPooledProducer(client, makePool({ broker: broker.url }))

    await published(add.delay(1, 2))

    expect(producerPool.stats().confirms).toBe(1)
    expect(await queues.depth(queue)).toBe(1)
  })

  test('of applyAsync and of sendTask goes the same way, with keyword arguments', async () => {
    const queue = queues.name()
    const client = wrappedClient(queue)

    await published(client.createTask('tasks.add').applyAsync([1], { y: 2 }))
    expect(await bodyOf(queue)).toMatchObject([[1], { y: 2 }, {}])
    await published(client.sendTask('tasks.add', [3], { y: 4 }))
    expect(await bodyOf(queue)).toMatchObject([[3], { y: 4 }, {}])
    await published(client.sendTask('tasks.none'))
    expect(await bodyOf(queue)).toMatchObject([[], {}, {}])
  })

  test.each([
    ['a UUID', '6f1b6f6c-6f0e-4a8e-9d5a-0d5f3a0c7b11'],
    ['any string', 'order-42'],
    ['more than ASCII', 'commande-été'],
  ])('with an id of its own keeps it: %s', async (_, id) => {
    const queue = queues.name()
    const client = wrappedClient(queue)

    const result = client.sendTask('tasks.add', [1, 2], {}, id)

    expect(result.taskId).toBe(id)
    expect(await published(result)).toMatchObject({ taskId: id })
    const [message] = await queues.take(queue, 1)
    expect(message?.properties).toMatchObject({ correlationId: id, headers: { id, root_id: id } })
  })

  test.each([[undefined], [''], [null]])('with %p for an id gets one, the same in message and result', async (id) => {
    const queue = queues.name()
    const client = wrappedClient(queue)

    const result = client.sendTask('tasks.add', [1, 2], {}, id as never)
    await published(result)

    expect(result.taskId).toMatch(UUID)
    const [message] = await queues.take(queue, 1)
    expect(message?.properties.headers?.id).toBe(result.taskId)
  })

  test("never opens the client's own connection to the broker", async () => {
    const client = wrappedClient(queues.name())
    const add = client.createTask('tasks.add')

    await Promise.all(Array.from({ length: 100 }, (_, index) => published(add.delay(index, 1))))

    expect(hasBrokerConnection(client)).toBe(false)
  })
})

describe('the queue', () => {
  test("is the client's, and is declared once for all calls", async () => {
    const queue = queues.name()
    const pool = makePool({ broker: broker.url, maxChannels: 2 })
    const declared = await declarationsOn(pool)
    const client = wrappedClient(queue, pool)

    for (let index = 0; index < 50; index++) await published(client.createTask('tasks.add').delay(index, 1))
    await Promise.all(Array.from({ length: 200 }, (_, index) => published(client.sendTask(`tasks.${index}`, []))))

    expect(declared).toEqual([[queue, { durable: true }]])
    expect(await queues.depth(queue)).toBe(250)
  })

  test('is read from the settings at each call, as the client reads it', async () => {
    const [first, second] = [queues.name(), queues.name()]
    const client = wrappedClient(first)
    const add = client.createTask('tasks.add')

    await published(add.delay(1, 2))
    client.conf.CELERY_QUEUE = second
    await published(add.delay(3, 4))

    expect(await queues.depth(first)).toBe(1)
    expect(await bodyOf(second)).toMatchObject([[3, 4], {}, {}])
  })

  test.each([[''], [5], ['q'.repeat(256)]])(
    'with a name that no queue can have rejects the call, case %#',
    async (name) => {
      const client = wrappedClient(queues.name())
      client.conf.CELERY_QUEUE = name as string

      await expect(published(client.createTask('tasks.add').delay(1, 2))).rejects.toMatchObject({
        code: 'ERR_INVALID_TASK',
        message: expect.stringContaining('queue'),
      })
    },
  )

  test('that was deleted is declared again by the call after the one that noticed', async () => {
    const queue = queues.name()
    const client = wrappedClient(queue)
    const add = client.createTask('tasks.add')
    await published(add.delay(1, 2))
    await queues.delete(queue)

    await expect(published(add.delay(3, 4))).rejects.toMatchObject({ code: 'ERR_UNROUTABLE', retryable: true })
    await published(add.delay(5, 6))

    expect(await bodyOf(queue)).toMatchObject([[5, 6], {}, {}])
  })
})

describe('the message', () => {
  test('is a full protocol v2 message, persistent', async () => {
    const queue = queues.name()
    const client = wrappedClient(queue)

    const result = client.createTask('tasks.add').applyAsync([1, 'zwei'], { three: 3 })
    await published(result)

    const [message] = await queues.take(queue, 1)
    const { headers, ...properties } = message?.properties ?? {}
    expect(properties).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 2,
      priority: 0,
      correlationId: result.taskId,
    })
    expect(headers).toEqual(addHeaders(result.taskId))
  })

  celeryTest(
    'is run by a real Celery worker',
    async () => {
      const worker = await startCeleryWorker({ brokerUrl: broker.url })
      afterTest(() => worker.stop())
      const client = wrappedClient(worker.queue)

      const result = client.createTask('tasks.echo').applyAsync([1, 'zwei', 'été 🐇'], { three: [3, null] })
      await published(result)

      await until(() => worker.output().includes(`tasks.echo[${result.taskId}] succeeded`))
      expect(worker.output()).toContain("{'args': (1, 'zwei', 'été 🐇'), 'kwargs': {'three': [3, None]}}")
    },
    60_000,
  )
})

describe('results', () => {
  test("of celery-node's own worker arrive as before", async () => {
    jest.spyOn(console, 'info').mockImplementation(() => {})
    const queue = queues.name()
    await startWorker(
      { broker: broker.url, backend: broker.url, queue },
      {
        'tasks.add': (a: number, b: number) => a + b,
        'tasks.fail': () => {
          throw new Error('on purpose')
        },
      },
    )
    const client = wrappedClient(queue)
    const add = client.createTask('tasks.add')

    const results = [add.delay(1, 2), add.delay(3, 4)]
    const failed = client.createTask('tasks.fail').delay()
    for (const { taskId } of [...results, failed]) afterTest(() => queues.delete(taskId.replaceAll('-', '')))

    expect(await Promise.all(results.map((result) => result.get(10_000, 20)))).toEqual([3, 7])
    await expect(failed.get(10_000, 20)).rejects.toThrow('FAILURE')
  })
})

describe('what is wrong with a call', () => {
  class Order {
    id = 1
  }
  const circle: { self?: object } = {}
  circle.self = circle

  test.each<[string, unknown[], unknown]>([
    ['undefined', [undefined], {}],
    ['NaN', [Number.NaN], {}],
    ['a Map', [new Map()], {}],
    ['a BigInt', [1n], {}],
    ['a circle', [circle], {}],
    ['an un-awaited promise', [Promise.resolve(1)], {}],
    ['a Date', [new Date()], {}],
    ['an instance of a class', [new Order()], {}],
    ['a function', [() => 1], {}],
    ['undefined as a keyword argument', [], { x: undefined }],
  ])('rejects `published` and harms nothing else: %s', async (_, args, kwargs) => {
    const log = new RecordedLog()
    const queue = queues.name()
    const client = wrappedClient(queue, makePool({ broker: broker.url, logger: log }))
    const task = client.createTask('tasks.add')

    const result = task.applyAsync(args, kwargs as object)

    expect(result.taskId).toMatch(UUID)
    await expect(published(result)).rejects.toMatchObject({
      code: 'ERR_INVALID_TASK',
      taskId: result.taskId,
      outcome: 'not-sent',
      retryable: false,
    })
    expect(log.of('publish.fail')).toEqual([
      expect.objectContaining({ level: 'error', task: 'tasks.add', taskId: result.taskId, code: 'ERR_INVALID_TASK' }),
    ])
    await published(task.delay(1, 2))
    expect(await queues.depth(queue)).toBe(1)
  })

  test.each([[''], [5], [undefined]])('a name that no task can have: %p', async (name) => {
    const client = wrappedClient(queues.name())

    await expect(published(client.createTask(name as string).delay(1))).rejects.toMatchObject({
      code: 'ERR_INVALID_TASK',
      message: expect.stringContaining('name'),
    })
  })

  test('a result backend that the client cannot use throws as it did, and nothing is sent', async () => {
    const pool = makePool({ broker: broker.url })
    const client = withPooledProducer(makeClient({ broker: NOWHERE, backend: 'ftp://nowhere', queue: 'any' }), pool)

    expect(() => client.createTask('tasks.add').delay(1, 2)).toThrow('Unsupported type: ftp')
    expect(pool.stats().publishes).toBe(0)
  })

  test('ends no process, though nobody awaits `published`', async () => {
    const script = startScript(`
      import { createClient } from 'celery-node'
      import { createProducerPool } from '../../lib/pool/producer-pool.ts'
      import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'

      const queue = ${JSON.stringify(queues.name())}
      const url = process.env.TEST_BROKER_URL
      const add = (broker, options) => {
        const pool = createProducerPool({ broker, logger: false, ...options })
        return withPooledProducer(createClient('${NOWHERE}', url, queue), pool).createTask('tasks.add')
      }
      const away = add('${NOWHERE}', { publishTimeoutMs: 50 })
      const here = add(url)
      away.delay(1, 2)
      here.delay(undefined)
      here.delay(1n)
      here.applyAsync([1], { x: Number.NaN })
      here.client.sendTask('')
      await new Promise((resolve) => away.delay(1, 2).published.catch(resolve))
      await here.delay(1, 2).published
      await here.client.producerPool.close()
      here.delay(1, 2)
      await new Promise(setImmediate)
      console.log('alive')
      process.exit(0)
    `)
    afterTest(() => script.process.kill('SIGKILL'))

    expect(await script.nextLine()).toBe('alive')
    expect(await script.ended).toEqual({ code: 0, signal: null })
  })
})

rabbitmqTest(
  '20,000 tasks of a wrapped client are stored once each, at far more than the rate of the bare one',
  async () => {
    const queue = await queues.declare()
    const bare = makeClient({ broker: broker.url, backend: broker.url, queue })
    await bare.isReady()
    const bareRate = await rateOf(100, async () => {
      const task = bare.createTask('tasks.add')
      for (let index = 0; index < 100; index++) task.delay(index, 1)
      await until(async () => (await queues.depth(queue)) === 100)
    })
    await queues.channel.purgeQueue(queue)

    const client = wrappedClient(queue)
    const task = client.createTask('tasks.add')
    await published(task.delay(0, 0))
    const tasks = 20_000
    const rate = await rateOf(tasks, () => {
      let next = 0
      const sender = async () => {
        while (next < tasks) await published(task.delay(next++, 1))
      }
      return Promise.all(Array.from({ length: 100 }, sender))
    })

    expect(await queues.depth(queue)).toBe(tasks + 1)
    // More than a hundred times on a quiet machine, as `pooled-producer demo` shows; this is about the order of it.
    expect(rate / bareRate).toBeGreaterThan(10)
  },
  120_000,
)

/** Tasks a second. */
async function rateOf(tasks: number, run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await run()
  return (tasks / (performance.now() - startedAt)) * 1_000
}

/** The arguments of each declaration of a queue on the pool's channels from now on. */
async function declarationsOn(pool: ProducerPool): Promise<unknown[]> {
  const calls: unknown[] = []
  await pool.use(({ channel: { raw } }) => {
    const channels = Object.getPrototypeOf(Object.getPrototypeOf(raw))
    const { assertQueue } = channels
    jest.spyOn(channels, 'assertQueue').mockImplementation(function (this: unknown, ...args: unknown[]) {
      if (this !== queues.channel) calls.push(args)
      return assertQueue.apply(this, args)
    })
  })
  return calls
}
