import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import { type Celery, createCelery } from '../../lib/celery/celery.ts'
import type { TaskOptions } from '../../lib/celery/options/task-option-values.ts'
import type { Kwargs } from '../../lib/celery/task.ts'
import { useBroker } from '../support/broker.ts'
import { makeApp, makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** What RabbitMQ and amqplib agree on. */
const FRAME_MAX = 131_072
const UUID = '6f1b6f6c-6f0e-4a8e-9d5a-0d5f3a0c7b11'
const EMBED = { callbacks: null, errbacks: null, chain: null, chord: null }

interface Call {
  readonly name?: string
  readonly args?: unknown[]
  readonly kwargs?: Kwargs
  readonly options?: TaskOptions
}

/** An argument that makes the body of `[[argument], {}, embed]` so many bytes. */
function filling(bytes: number): string {
  return 'x'.repeat(bytes - Buffer.byteLength(JSON.stringify([[''], {}, EMBED])))
}

const CALLS: readonly (readonly [string, Call])[] = [
  ['no arguments', {}],
  ['numbers', { args: [0, -0, 1, -1, 0.1, 1e21, -1e-7, 2 ** 53 - 1] }],
  ['other plain values', { args: [true, false, null, ''], kwargs: { none: null } }],
  ['nested lists and objects', { args: [[1, [2, [3]]], { a: { b: [{ c: null }] } }], kwargs: { d: [[]] } }],
  ['quotes and control characters', { args: ['"\'\\/\b\f\n\r\t\0\u007f\u2028'], kwargs: { '"\\': 1 } }],
  ['unicode', { args: ['été', '日本語', '🐇👩‍👩‍👧'], kwargs: { ключ: 'значение' } }],
  ['lone surrogates', { args: ['\ud800', 'a\udfffb', '\udc00\ud800'], kwargs: { '\ud83d': '\ude00' } }],
  ['4 KB of ASCII', { args: ['x'.repeat(5_000)] }],
  ['4 KB of unicode', { args: ['é'.repeat(5_000)], kwargs: { x: '🐇'.repeat(2_000) } }],
  ['200 KB of ASCII', { args: ['x'.repeat(200_000)] }],
  ['200 KB of unicode', { args: ['日'.repeat(70_000)] }],
  ['1 MB of lone surrogates', { args: ['\ud800'.repeat(170_000)] }],
  ['a body of one whole frame', { args: [filling(FRAME_MAX - 8)] }],
  ['a body of one byte less than a frame', { args: [filling(FRAME_MAX - 9)] }],
  ['a body of one byte more than a frame', { args: [filling(FRAME_MAX - 7)] }],
  ['a body of two whole frames', { args: [filling(2 * (FRAME_MAX - 8))] }],
  ['a long list', { args: [Array.from({ length: 20_000 }, (_, index) => index)] }],
  ['the name of a task in unicode', { name: 'задачи.сложить' }],
  ['a countdown', { options: { countdown: 90.5 } }],
  ['a countdown of nothing', { options: { countdown: 0 } }],
  ['a countdown into the past', { options: { countdown: -5 } }],
  ['an eta', { options: { eta: new Date('2030-01-02T03:04:05.678Z') } }],
  ['an eta with a zone', { options: { eta: '2030-01-02T03:04:05.678901+05:30' } }],
  ['a lifetime in seconds', { options: { expires: 3_600.25 } }],
  ['a lifetime that ends at a time', { options: { expires: new Date(Date.now() + 3_600_000) } }],
  ['a countdown and a lifetime', { options: { countdown: 10, expires: 60 } }],
  ['a priority', { options: { priority: 9 } }],
  ['kept in memory', { options: { deliveryMode: 'transient' } }],
  [
    'headers of all types',
    {
      options: {
        headers: {
          text: 'été',
          empty: '',
          yes: true,
          no: false,
          none: null,
          small: 1,
          negative: -129,
          medium: 40_000,
          large: 2 ** 40,
          fraction: 0.5,
          list: [1, 'two', null, [true]],
          table: { a: { b: [] } },
        },
      },
    },
  ],
  ['headers of 40 KB', { options: { headers: { text: 'é'.repeat(20_000) } } }],
  ['an id that is no UUID', { options: { taskId: 'order-42' } }],
  ['an id of 36 characters that is no UUID', { options: { taskId: 'order-42'.padEnd(36, '-') } }],
  ['an id of 36 characters beyond ASCII', { options: { taskId: 'é'.repeat(36) } }],
  [
    'the ids of a workflow',
    {
      options: {
        correlationId: 'c',
        replyTo: 'r',
        rootId: UUID.replace('6', '7'),
        parentId: 'été',
        groupId: 'g',
        groupIndex: 3,
        retries: 2,
      },
    },
  ],
  ['limits', { options: { timeLimit: 60, softTimeLimit: 30.5, shadow: 'shown', ignoreResult: true } }],
  [
    'stamps',
    { options: { stamps: { tenant: 'acme', marqué: ['é', 1, null] }, replacedTaskNesting: 2, headers: { a: 1 } } },
  ],
  ['links', { options: { link: { task: 'é' }, linkError: [{ task: 'b' }, { task: 'c', args: ['日'] }] } }],
  ['a retry policy', { options: { retry: true, retryPolicy: { maxRetries: 1 } } }],
  ['representations of its own', { args: ['secret'], options: { argsrepr: '(é***)', kwargsrepr: '{🐇}' } }],
  [
    'the other properties',
    {
      options: {
        messageId: 'm',
        appId: 'a',
        type: 't',
        timestamp: 1_700_000_000,
        userId: new URL(broker.url).username || 'guest',
      },
    },
  ],
]

/** What must be equal; times are compared apart. */
interface Comparable {
  readonly properties: object
  readonly body: string
  readonly times: (number | null)[]
}

function comparable({ properties, content, fields }: ConsumeMessage): Comparable {
  const { expiration, headers, ...others } = properties
  const { eta, expires, ...otherHeaders } = headers ?? {}
  const { exchange, routingKey } = fields
  return {
    properties: { ...others, exchange, routingKey, headers: otherHeaders, order: Object.keys(headers ?? {}) },
    body: content.toString('latin1'),
    times: [eta ?? null, expires ?? null].map((time) => time && Date.parse(time)).concat(expiration ?? null),
  }
}

describe('a task is the same message on both paths', () => {
  let fast: Celery
  let plain: Celery
  let queue: string
  beforeAll(async () => {
    queue = await queues.declare()
    const options = { broker: broker.url, logger: false, taskDefaultQueue: queue } as const
    fast = createCelery({ ...options, fastPath: true })
    plain = createCelery({ ...options, fastPath: false })
    const isFast = (app: Celery) => app.pool.use(({ channel }) => channel.isFast)
    expect([await isFast(fast), await isFast(plain)]).toEqual([true, false])
  })
  afterAll(() => Promise.all([fast.close(), plain.close()]))

  test.each(CALLS)('%s', async (_, { name = 'tasks.add', args = [], kwargs = {}, options = {} }) => {
    const withId = { taskId: UUID, ...options }

    for (const app of [plain, fast]) {
      // As one call's options, and as a task's own.
      await app.sendTask(name, args, kwargs, withId)
      await app.createTask(name, withId).applyAsync(args, kwargs)
    }
    // With ids of their own.
    const { taskId: _id, ...withoutId } = options
    const made = [
      await plain.sendTask(name, args, kwargs, withoutId),
      await fast.sendTask(name, args, kwargs, withoutId),
    ]

    const messages = await queues.take(queue, 6)
    const [reference, ...others] = messages.slice(0, 4).map(comparable) as [Comparable, ...Comparable[]]
    for (const other of others) expectSame(other, reference)
    const [first, second] = messages
      .slice(4)
      .map((message, index) => withoutItsId(message, made[index]?.taskId as string))
    expectSame(second as Comparable, first as Comparable)
    expect(JSON.parse(messages[0]?.content.toString() as string).slice(0, 2)).toEqual(
      JSON.parse(JSON.stringify([args, kwargs])),
    )
  })

  test.each([
    ['yaml', { serializer: 'yaml' }],
    ['msgpack', { serializer: 'msgpack' }],
    ['gzip', { compression: 'gzip' }],
    ['msgpack in brotli', { serializer: 'msgpack', compression: 'brotli' }],
  ] as const)('%s', async (_, format) => {
    const args = [1, 'é'.repeat(3_000), { list: Array.from({ length: 60_000 }, (_, index) => index) }]
    for (const app of [plain, fast]) {
      const task = app.createTask('tasks.add', { taskId: UUID, ...format })
      await task.applyAsync(args, { k: null })
      await app.sendTask('tasks.add', args, { k: null }, { taskId: UUID, ...format })
    }

    const [reference, ...others] = (await queues.take(queue, 4)).map(comparable) as [Comparable, ...Comparable[]]
    for (const other of others) expectSame(other, reference)
    expect(JSON.stringify(reference.properties)).toMatch('serializer' in format ? format.serializer : 'x-gzip')
  })

  test('also when many different ones go out in one write', async () => {
    const calls = CALLS.map(([, { name = 'tasks.add', ...call }]) => ({
      name,
      ...call,
      options: { taskId: UUID, ...call.options },
    }))
    const taken: Comparable[][] = []
    for (const app of [plain, fast]) {
      const outcomes = await app.sendTasks(calls)
      expect(outcomes.map(({ status }) => status)).toEqual(calls.map(() => 'confirmed'))
      taken.push((await queues.take(queue, calls.length)).map(comparable))
    }

    const [reference, others] = taken as [Comparable[], Comparable[]]
    // Messages on one channel arrive in their order.
    for (const [index, other] of others.entries()) expectSame(other, reference[index] as Comparable)
  })

  test("through an exchange of the caller's too", async () => {
    const exchange = await queues.declareExchange()
    const bound = await queues.declare()
    await queues.channel.bindQueue(bound, exchange, '')
    for (const app of [plain, fast]) {
      await app.sendTask('tasks.add', [1, 2], {}, { taskId: UUID, exchange, routingKey: 'clé' })
    }

    const [reference, other] = (await queues.take(bound, 2)).map(comparable)
    expectSame(other as Comparable, reference as Comparable)
    expect(reference?.properties).toMatchObject({ exchange, routingKey: 'clé' })
  })
})

function expectSame(actual: Comparable, expected: Comparable): void {
  expect(actual.properties).toEqual(expected.properties)
  // Not toBe: the difference of two megabytes would take minutes to print.
  expect(actual.body === expected.body).toBe(true)
  for (const [index, time] of expected.times.entries()) {
    if (time === null) expect(actual.times[index]).toBeNull()
    else expect(Math.abs(Number(actual.times[index]) - Number(time))).toBeLessThan(10_000)
  }
}

/** Without what two messages of one call differ in. */
function withoutItsId(message: ConsumeMessage, id: string): Comparable {
  const { properties, ...others } = comparable(message)
  return { ...others, properties: JSON.parse(JSON.stringify(properties).replaceAll(id, 'ID')) }
}

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  test('delayMany confirms all items with one lease, in their order', async () => {
    const app = makeApp({ broker: broker.url, fastPath, maxChannels: 1 })
    const queue = await queues.declare()
    const add = app.createTask<[number, number], number>('tasks.add', { queue })
    await add.delay(0, 0)
    const { leases } = app.pool.stats()
    const items = Array.from({ length: 500 }, (_, index) => [[index, 1], { base: index }] as const)

    const outcomes = await add.delayMany(items.map(([args, kwargs]) => [[...args], kwargs]))

    expect(app.pool.stats().leases - leases).toBe(1)
    const messages = await queues.take(queue, 501)
    expect(messages.slice(1).map(({ content }) => JSON.parse(content.toString()).slice(0, 2))).toEqual(items)
    expect(messages.slice(1).map(({ properties }) => properties.correlationId)).toEqual(
      outcomes.map((outcome) => outcome.status === 'confirmed' && outcome.result.taskId),
    )
  })

  test('each item of a batch has the outcome that its own publish would have had', async () => {
    const app = makeApp({ broker: broker.url, fastPath, maxMessageBytes: 100_000 })
    const queue = await queues.declare()
    const nowhere = queues.name()

    const outcomes = await app.sendTasks([
      { name: 'tasks.add', args: [1, 2], options: { queue } },
      { name: 'tasks.add', args: [undefined], options: { queue } },
      { name: 'tasks.add', options: { queue: nowhere, declare: false } },
      { name: 'tasks.add', options: { queue: nowhere, declare: false, mandatory: false } },
      { name: '', options: { queue } },
      { name: 'tasks.add', options: { queue, countdown: Number.NaN } },
      { name: 'tasks.add', args: ['x'.repeat(100_000)], options: { queue } },
      { name: 'tasks.add', options: { queue, headers: { a: 'x'.repeat(70_000) } } },
      { name: 'tasks.add', args: [3, 4], options: { queue, signal: AbortSignal.abort() } },
      { name: 'tasks.add', args: [5, 6], options: { queue } },
    ])

    expect(
      outcomes.map((outcome) =>
        outcome.status === 'confirmed' ? 'confirmed' : (outcome.error as Error & { code: string }).code,
      ),
    ).toEqual([
      'confirmed',
      'ERR_INVALID_TASK',
      'ERR_UNROUTABLE',
      'confirmed',
      'ERR_INVALID_TASK',
      'ERR_INVALID_TASK',
      'ERR_MESSAGE_TOO_LARGE',
      'ERR_MESSAGE_TOO_LARGE',
      'ERR_ABORTED',
      'confirmed',
    ])
    const bodies = (await queues.take(queue, 2)).map(({ content }) => JSON.parse(content.toString())[0])
    expect(bodies).toEqual([
      [1, 2],
      [5, 6],
    ])
    expect(app.pool.stats()).toMatchObject({ confirms: 3, failures: 7, inFlight: 0, bufferedBytes: 0 })
  })

  test('an empty batch is done at once', async () => {
    const app = makeApp({ broker: broker.url, fastPath })

    expect(await app.sendTasks([])).toEqual([])
    expect(await app.createTask('t').delayMany([])).toEqual([])
  })

  test('tasks of one lease keep their order when the window is full and the broker is slow', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url, fastPath, maxInFlight: 20, maxChannels: 3, publishTimeoutMs: 60_000 })
    const queue = await queues.declare({ durable: false })
    const producer = await app.pool.acquire()
    await proxy.set('slow', { bytesPerSecond: 3_000_000 })
    const numbers = Array.from({ length: 1_000 }, (_, index) => index)

    await Promise.all(
      numbers.map((number) => app.sendTask('t', [number, 'x'.repeat(1_000)], {}, { queue, producer, declare: false })),
    )
    producer.release()

    const arrived = await queues.take(queue, numbers.length)
    expect(arrived.map(({ content }) => JSON.parse(content.toString())[0][0])).toEqual(numbers)
    expect(app.pool.stats()).toMatchObject({ retries: 0, failures: 0 })
  }, 60_000)

  test('tasks larger than a frame keep their order, and their bytes, behind a socket that is full', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url, fastPath, maxChannels: 1, publishTimeoutMs: 60_000 })
    const queue = await queues.declare({ durable: false })
    const task = app.createTask<[number, string]>('t', { queue, declare: false })
    await task.delay(-1, '')
    await proxy.set('slow', { bytesPerSecond: 20_000_000 })
    const sizes = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? 400_000 : index * 100))

    await Promise.all(sizes.map((size, index) => task.delay(index, 'y'.repeat(size))))

    const arrived = (await queues.take(queue, sizes.length + 1)).slice(1)
    const args = arrived.map(({ content }) => JSON.parse(content.toString())[0] as [number, string])
    expect(args.map(([index, text]) => [index, text.length])).toEqual(sizes.map((size, index) => [index, size]))
    expect(args.every(([, text]) => /^y*$/.test(text))).toBe(true)
  }, 60_000)
})
