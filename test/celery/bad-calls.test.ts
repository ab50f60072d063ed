import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Celery, createCelery } from '../../lib/celery/celery.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, useCeleryWorker } from '../support/celery-worker.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const LONG = 'x'.repeat(256)
const circle: unknown[] = []
circle.push(circle)

/** What no option of a name takes: text that is empty, too long or hides something, and what is no text. */
const NO_NAME = ['', LONG, 'é'.repeat(128), 'a\nb', 7, true, [], {}, Symbol('s')]
const NO_TEXT = [LONG, 'a\u0000b', 7, false, [], {}]
const NO_FLAG = [0, 1, 'yes', 'true', [], {}]
const NO_SECONDS = ['10', Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 10n, true, [], {}]
const NO_DURATION = [0, -1, ...NO_SECONDS]
const NO_COUNT = [-1, 0.5, '1', Number.NaN, 2 ** 31, true, [1]]
const NO_TIME = [
  'tomorrow',
  '',
  '2030-01-01',
  '2030-01-01T00:00:00',
  '2026-02-30T00:00:00Z',
  new Date(Number.NaN),
  [],
  true,
]

/** Values that each option refuses. */
const BAD_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  taskId: NO_NAME,
  queue: ['', LONG, 7, true],
  replyTo: NO_NAME,
  correlationId: NO_NAME,
  rootId: NO_NAME.slice(0, 6),
  parentId: NO_NAME.slice(0, 6),
  groupId: NO_NAME.slice(0, 6),
  exchange: NO_TEXT,
  routingKey: NO_TEXT,
  messageId: NO_TEXT,
  appId: NO_TEXT,
  type: NO_TEXT,
  userId: NO_TEXT,
  shadow: [7, true, [], {}],
  argsrepr: [7, true, [], {}],
  kwargsrepr: [7, true, [], {}],
  countdown: NO_SECONDS,
  eta: [...NO_TIME, 5],
  expires: [...NO_TIME, Number.NaN, Date.UTC(2030, 1)],
  priority: [256, ...NO_COUNT],
  deliveryMode: [0, 3, 7, 'durable', true, []],
  mandatory: NO_FLAG,
  declare: NO_FLAG,
  ignoreResult: NO_FLAG,
  retry: NO_FLAG,
  timeLimit: NO_DURATION,
  softTimeLimit: NO_DURATION,
  groupIndex: NO_COUNT,
  retries: NO_COUNT,
  replacedTaskNesting: NO_COUNT,
  timestamp: [-1, 1.5, '2026', new Date('x'), true],
  timeoutMs: [0, -1, 1.5, '10', Number.POSITIVE_INFINITY],
  signal: [true, {}, new AbortController()],
  producer: ['lease', 7, {}],
  serializer: ['', 7, 'pickle', 'xml', 'jsn'],
  compression: ['', 7, 'bzip2', 'lzma', 'snappy', 'gzipp'],
  stamps: [7, [], { a: undefined }, { a: new Date(0) }, { a: 1n }],
  stampedHeaders: ['a', [7], ['missing']],
  retryPolicy: [3, [], { max_retries: 3 }, { maxRetries: -1 }, { intervalStart: '1' }, { intervalStep: Number.NaN }],
  link: ['tasks.log', 7, {}, { task: '' }, { task: 'a', args: 'x' }, [{ task: 'a' }, null]],
  linkError: ['tasks.log', { task: 7 }, { task: 'a', kwargs: [] }],
  chain: [{ task: 'a' }, 'a', [7], [{ task: 'a', options: [] }]],
  chord: ['a', [], { task: 'a', immutable: 'no' }],
  headers: [7, [], new Map(), { task: 'evil' }, { id: 'x' }, { compression: 'gzip' }, { a: undefined }, { a: 1n }],
}

/** Options that do not go together, with the words that the error must hold. */
const CONFLICTS: readonly (readonly [options: object, word: string])[] = [
  [{ countdown: 1, eta: new Date(0) }, 'countdown'],
  [{ countdown: 1, eta: '2030-01-01T00:00:00Z' }, 'eta'],
  [{ timeLimit: 5, softTimeLimit: 10 }, 'softTimeLimit'],
  [{ stamps: { a: 1 }, stampedHeaders: ['b'] }, 'stampedHeaders'],
  [{ queue: 'a', routingKey: 'b' }, 'routingKey'],
  [{ routingKey: 'b' }, 'routingKey'],
]

/** Names that are nearly right, or that are none at all. */
const UNKNOWN = [
  'task_id',
  'time_limit',
  'soft_time_limit',
  'link_error',
  'routing_key',
  'delivery_mode',
  'ignore_result',
  'retry_policy',
  'reply_to',
  'countDown',
  'expire',
  'prioriy',
  'args_repr',
  'foo',
  'immediate',
  'add_to_parent',
  'constructor',
  '__proto__x',
]

const BAD_ARGS: readonly (readonly [args: unknown, kwargs: unknown, word: string])[] = [
  ['12', {}, 'args'],
  [{ a: 1 }, {}, 'args'],
  [new Set(), {}, 'args'],
  [7, {}, 'args'],
  [[], [], 'kwargs'],
  [[], 'x', 'kwargs'],
  [[], new Map(), 'kwargs'],
  [[undefined], {}, 'args[0]'],
  [[Number.NaN], {}, 'args[0]'],
  [[1n], {}, 'args[0]'],
  [[2 ** 53], {}, 'args[0]'],
  [[new Date()], {}, 'args[0]'],
  [[Buffer.from('x')], {}, 'args[0]'],
  [[new Map()], {}, 'args[0]'],
  [[Promise.resolve()], {}, 'args[0]'],
  [[() => 1], {}, 'args[0]'],
  [circle, {}, 'args[0]'],
  [[], { a: { b: [Symbol('s')] } }, 'kwargs.a.b[0]'],
]

const BAD_NAMES = ['', ' tasks.add', 'tasks.add\n', LONG, 7, null, {}]

describe('a bad call is refused with the option’s name, before anything is written', () => {
  let app: Celery
  let queue: string
  let count = 0
  beforeAll(async () => {
    queue = await queues.declare()
    app = createCelery({ broker: broker.url, logger: false, taskDefaultQueue: queue })
    await app.pool.ready()
  })
  afterAll(() => app.close())

  async function expectRefused(calls: readonly (() => Promise<unknown>)[], word: string): Promise<void> {
    const before = app.pool.stats()
    for (const call of calls) {
      const error = await failureOf(call())
      expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent', retryable: false })
      expect(error.message).toContain(word)
    }
    count += calls.length
    const after = app.pool.stats()
    expect({ confirms: after.confirms, inFlight: after.inFlight, leases: after.leases }).toEqual({
      confirms: before.confirms,
      inFlight: 0,
      leases: before.leases,
    })
  }

  const send = (options: object, args: unknown = [1, 2], kwargs: unknown = {}, name: unknown = 'tasks.add') =>
    app.sendTask(name as string, args as [], kwargs as Record<string, unknown>, options)

  test.each(Object.entries(BAD_VALUES))('%s', async (option, values) => {
    // The name of a serializer or a compression that there is not says itself what is wrong.
    const named = (value: unknown) =>
      ['serializer', 'compression'].includes(option) && typeof value === 'string' && value !== ''
    for (const value of values) {
      await expectRefused([() => send({ [option]: value })], named(value) ? `${String(value)}` : option)
    }
  })

  test.each(CONFLICTS)('%j', (options, word) => expectRefused([() => send(options)], word))

  test.each(UNKNOWN)('the unknown option %s', (name) => expectRefused([() => send({ [name]: 1 })], name))

  test.each(BAD_ARGS)('arguments %p and %p', (args, kwargs, word) => {
    return expectRefused(
      [() => send({}, args, kwargs), () => app.createTask('t').applyAsync(args as [], kwargs as object as never)],
      word,
    )
  })

  test.each(BAD_NAMES.map((name) => [name]))('the name %p', (name) => {
    return expectRefused([() => send({}, [], {}, name)], 'name of a task')
  })

  test.each([5, [], 'queue', new Map(), () => ({})])('the options %p', (options) => {
    return expectRefused([() => send(options as object)], 'options of a task must be an object')
  })

  test('and these are two hundred and more, of which the queue holds none', async () => {
    expect(count).toBeGreaterThan(200)
    expect(await queues.depth(queue)).toBe(0)
    await app.sendTask('tasks.add', [1, 2])
    expect(await queues.depth(queue)).toBe(1)
  })
})

/** Options of an app that are refused, by the name of the option. */
const BAD_APP_OPTIONS: readonly (readonly [option: string, ...values: unknown[]])[] = [
  ['taskDefaultQueue', '', LONG, 7, {}],
  ['taskProtocol', 0, 3, '2', true],
  ['taskSerializer', '', 7],
  ['taskCompression', '', 7],
  ['taskDefaultPriority', -1, 256, '3', 1.5],
  ['taskDefaultDeliveryMode', 0, 3, 'durable'],
  ['taskIgnoreResult', 1, 'yes'],
  ['taskTimeLimit', 0, -1, '5'],
  ['taskSoftTimeLimit', 0, '5'],
  ['taskPublishRetry', 1, 'no'],
  ['taskPublishRetryPolicy', 3, { max_retries: 3 }, { maxRetries: 0.5 }],
  ['taskSendSentEvent', 1, 'yes'],
  ['traceContext', {}, 'x'],
  ['jsonTypes', 1, 'yes'],
  ['serializers', [], { own: 7 }, { own: { contentType: 'a/b' } }],
  ['compressors', [], { own: 7 }, { own: { contentType: 'a/b' } }],
]

test.each(BAD_APP_OPTIONS)('an app with a bad %s is ERR_INVALID_OPTION', (option, ...values) => {
  for (const value of values) {
    expect(() => createCelery({ broker: broker.url, [option]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(option) }),
    )
  }
})

describe('a real worker', () => {
  const worker = useCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })

  celeryTest(
    'outlives every call that is odd and yet taken, and runs what comes after',
    async () => {
      const app = makeApp({ broker: broker.url, taskDefaultQueue: worker().queue })
      const odd: object[] = [
        { countdown: 0 },
        { countdown: -100 },
        { eta: new Date(0) },
        { expires: 0 },
        { expires: -5 },
        { expires: new Date(0) },
        { priority: 255 },
        { deliveryMode: 'transient' },
        { shadow: '' },
        { argsrepr: '', kwargsrepr: '' },
        { retries: 1_000 },
        { groupId: 'g', groupIndex: 2_147_483_647 },
        { timeLimit: 0.001, softTimeLimit: 0.001 },
        { stamps: {} },
        { stamps: { a: [1, { b: null }] }, replacedTaskNesting: 3 },
        { headers: { traceparent: 'x', nested: { deep: [1, null, true, 0.5] } } },
        { link: [], linkError: [] },
        { chain: [] },
        { link: { task: 'no.such.task' } },
        { serializer: 'yaml', compression: 'zlib' },
        { serializer: 'msgpack', compression: 'application/x-gzip' },
        { messageId: '', appId: '', type: '' },
        { taskId: 'é'.repeat(127) },
        { correlationId: 'other' },
        { timestamp: 0 },
      ]
      for (const options of odd) {
        await app.sendTask('tasks.add', [1, 2], {}, options)
        await app.sendTask('tasks.add', ['wrong', 2, 3], { more: true }, options)
      }
      await app.sendTask('no.such.task', [], {})

      const replyTo = await queues.declare({ durable: false })
      await app.sendTask('tasks.add', [20, 22], {}, { replyTo })
      const [answer] = await queues.take(replyTo, 1)
      expect(JSON.parse(answer?.content.toString() as string)).toMatchObject({ status: 'SUCCESS', result: 42 })
      expect(worker().output()).not.toMatch(/Unrecoverable error/)
    },
    60_000,
  )
})
