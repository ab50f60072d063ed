import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import { expect, test } from '@jest/globals'
import { pino } from 'pino'
import { reportCommand } from '../../lib/cli/report-command.ts'
import { createProducerPool, type PoolOptions } from '../../lib/index.ts'
import { writtenTerminal } from '../cli/written-terminal.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, makePool, makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

const circle: Record<string, unknown> = { name: 'circle' }
circle.self = circle
const getter = {
  get secret(): never {
    throw new Error('no')
  },
}
let deep: unknown = 1
for (let level = 0; level < 100_000; level++) deep = [deep]

const UNWRITABLE: [string, unknown, RegExp][] = [
  ['a BigInt', { amount: 1n }, /^args\[0\]\.amount is a BigInt/],
  ['a circle', circle, /^args\[0\]\.self is circular: it is args\[0\] again$/],
  ['a getter that throws', getter, /^args\[0\]\.secret cannot be read$/],
  ['a toJSON', { toJSON: () => 'another value' }, /^args\[0\] is an object with a toJSON/],
  ['100,000 levels', deep, /is nested deeper than \d+ levels$/],
]

test('row 70: arguments that cannot be written are refused by their path, and the channel is not harmed', async () => {
  const app = makeApp({ broker: broker.url })
  const task = app.createTask('tasks.add', { queue: queues.name() })
  await task.delay(1)
  for (const [, value, message] of UNWRITABLE) {
    const error = await failureOf(task.delay(value as never))
    expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent', retryable: false })
    expect(error.message).toMatch(message)
  }
  await task.delay(2)

  expect(app.pool.stats()).toMatchObject({ channelsOpened: 1, channelsClosed: 0, confirms: 2, failures: 5 })
})

const LOSSY: [unknown, RegExp][] = [
  [undefined, /undefined/],
  [() => 1, /a function/],
  [Symbol('s'), /a symbol/],
  [Number.NaN, /NaN/],
  [Number.POSITIVE_INFINITY, /Infinity/],
  [new Map([[1, 2]]), /an instance of Map/],
  [new Set([1]), /an instance of Set/],
  [new Error('e'), /an instance of Error/],
  [/re/, /an instance of RegExp/],
  [Promise.resolve(1), /a promise: await it first/],
  [Buffer.from('x'), /a Buffer/],
  [new Uint8Array(2), /binary data/],
  [2 ** 53, /beyond 2\^53/],
  [new Date(0), /a Date/],
  [new Date(Number.NaN), /an invalid Date/],
]

test('row 71: arguments that JSON would change without a word are refused by their path', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = queues.name()
  const task = app.createTask('tasks.add', { queue })
  await task.delay(1)
  for (const [value, what] of LOSSY) {
    const [asArg, asKwarg] = [
      await failureOf(task.applyAsync([[value]] as never)),
      await failureOf(task.applyAsync([] as never, { key: value } as never)),
    ]
    expect(asArg).toMatchObject({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(/^args\[0\]\[0\] is /) })
    expect(asKwarg).toMatchObject({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(/^kwargs\.key is /) })
    expect(asArg.message).toMatch(what)
  }

  expect(await queues.depth(queue)).toBe(1)
})

test("row 72 a: a URL's password stands in no error, no option and no log", async () => {
  const shown: string[] = []
  const logger = new RecordedLog()
  for (const url of ['amqp://u:s3cret@h:99999/v', 'amqp://u:s3cr%t@[::/v', 'http://u:s3cret@h', 'amqp://u:s3cret#@h']) {
    try {
      createProducerPool({ broker: url, logger })
    } catch (error) {
      shown.push(inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error))
    }
  }
  expect(shown).toHaveLength(8)
  const proxy = await makeProxy(broker.url)
  const url = Object.assign(new URL(proxy.url), { username: 'u', password: 's3cret' }).href
  const pool = makePool({ broker: url, logger })
  shown.push(inspect(await failureOf(pool.publish(GOOD)), { depth: 9 }), inspect(pool.options), inspect(pool))
  shown.push(JSON.stringify(logger.records))

  for (const text of shown) expect(text).not.toMatch(/s3cr/)
})

test("row 72 b: arguments are shown to workers' logs as the caller says, shortened, and to ours never", async () => {
  const lines: string[] = []
  const stream = new PassThrough().on('data', (line) => lines.push(`${line}`))
  const app = makeApp({ broker: broker.url, logger: pino({ level: 'trace' }, stream) })
  const queue = queues.name()
  const task = app.createTask('tasks.add', { queue })
  await task.applyAsync(['s3cret'], { key: 's3cret' }, { argsrepr: '(***)', kwargsrepr: '{***}' })
  await task.applyAsync(['x'.repeat(100_000)])
  await failureOf(task.applyAsync([{ password: 's3cret', amount: 1n }] as never))
  const [hidden, long] = await queues.take(queue, 2)

  expect(hidden?.properties.headers).toMatchObject({ argsrepr: '(***)', kwargsrepr: '{***}' })
  expect(long?.properties.headers?.argsrepr.length).toBeLessThan(1_100)
  expect(lines.join('')).not.toContain('s3cret')
})

test('row 72 c: line breaks and escapes cannot make lines of their own in the log', async () => {
  const lines: string[] = []
  const stream = new PassThrough().on('data', (line) => lines.push(...`${line}`.trimEnd().split('\n')))
  const evil = 'evil\n{"level":60}\u001b[31m\u0000'
  const app = makeApp({ broker: broker.url, name: evil, logger: pino({ level: 'trace' }, stream) })
  await app.pool.ready()
  await failureOf(app.sendTask(evil, []))
  await failureOf(app.pool.publish({ ...GOOD, exchange: `nope${evil}` }))

  for (const line of lines) expect(JSON.parse(line).level).not.toBe(60)
  expect(lines.join('')).not.toMatch(/\p{Cc}/u)
})

test('row 72 c: nor can they in what the report command writes to a terminal', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bad-input-'))
  afterTest(() => rm(folder, { recursive: true }))
  const record = { level: 50, time: Date.now(), pool: 'p\u001b[31m\n', event: 'publish.fail', code: 'ERR\u001b[2J' }
  const path = join(folder, 'evil\u001b[1m.log')
  await writeFile(path, `${JSON.stringify(record)}\n`)
  const terminal = writtenTerminal()

  expect(await reportCommand([path], terminal)).toBe(0)
  expect(terminal.out()).toContain('publish')
  expect(terminal.out()).not.toContain('\u001b')
})

test('row 72 d, i: names and ids that anything could hide in are refused; a given id is kept across retries', async () => {
  const proxy = await makeProxy(broker.url)
  const app = makeApp({ broker: proxy.url })
  const queue = queues.name()
  for (const bad of ['a\r\nb', 'a\0b', '', 'x'.repeat(256), 5, null]) {
    expect(await failureOf(app.sendTask(bad as string, [], {}, { queue }))).toMatchObject({ code: 'ERR_INVALID_TASK' })
  }
  for (const taskId of ['a\r\nb', 'a\0b', '', 'x'.repeat(256), 5]) {
    const sending = app.sendTask('tasks.add', [], {}, { queue, taskId: taskId as string })
    expect(await failureOf(sending)).toMatchObject({ code: 'ERR_INVALID_TASK' })
  }

  await app.sendTask('tasks.add', [], {}, { queue, taskId: 'order-1' })
  await proxy.set('black-hole-down')
  const sending = app.sendTask('tasks.add', [], {}, { queue, taskId: 'order-2' })
  await until(async () => (await queues.depth(queue)) === 2)
  proxy.reset()
  await proxy.set('pass')
  expect(await sending).toMatchObject({ taskId: 'order-2' })
  const ids = (await queues.take(queue, 3)).map(({ properties }) => properties.correlationId)
  expect(ids).toEqual(['order-1', 'order-2', 'order-2'])
})

test('row 72 e: keys that reach for prototypes stay keys, and options by such names are refused', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = queues.name()
  const evil = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  await app.sendTask('tasks.add', [evil], evil, { queue, headers: { constructor: 'a header' } })
  const [message] = await queues.take(queue, 1)
  const [args, kwargs] = JSON.parse(`${message?.content}`)

  expect(Object.hasOwn(args[0], '__proto__')).toBe(true)
  expect(Object.hasOwn(kwargs, '__proto__')).toBe(true)
  for (const options of [evil, JSON.parse('{"__proto__":null}'), { constructor: 1 }]) {
    expect(() => createProducerPool(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
    expect(await failureOf(app.sendTask('tasks.add', [], {}, options))).toMatchObject({ code: 'ERR_INVALID_TASK' })
  }
  expect('polluted' in {}).toBe(false)
})

test('row 72 f: options that no pool can run with are refused at once, by name', async () => {
  const bad: [object, string][] = [
    [{ maxChanels: 3 }, 'maxChannels'],
    [{ maxChannels: Number.NaN }, 'maxChannels'],
    [{ maxChannels: -1 }, 'maxChannels'],
    [{ maxChannels: '10' }, 'maxChannels'],
    [{ minChannels: 5, maxChannels: 4 }, 'minChannels'],
    [{ publishTimeoutMs: Number.POSITIVE_INFINITY }, 'publishTimeoutMs'],
    [{ publishTimeoutMs: 2 ** 31 }, 'publishTimeoutMs'],
    [{ broker: 'amqp://h?heartbeat=abc' }, 'heartbeat'],
    [{ broker: 'amqp://h?channelMax=-1' }, 'channelMax'],
    [{ broker: 'amqp://h?frameMax=1' }, 'frameMax'],
  ]
  for (const [options, name] of bad) {
    expect(() => createProducerPool(options as PoolOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(name) }),
    )
  }
})

test('row 72 h: times leave in UTC with their zone, whatever they were given in', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = queues.name()
  const eta = new Date(Date.now() + 60_000)
  const zoned = `${new Date(eta.getTime() + 2 * 3_600_000).toISOString().replace('Z', '')}+02:00`
  await app.sendTask('tasks.add', [], {}, { queue, eta, expires: new Date(eta.getTime() + 1_000) })
  await app.sendTask('tasks.add', [], {}, { queue, eta: zoned })
  const [first, second] = await queues.take(queue, 2)

  expect(Date.parse(first?.properties.headers?.eta)).toBe(eta.getTime())
  expect(Date.parse(second?.properties.headers?.eta)).toBe(eta.getTime())
  for (const text of [first?.properties.headers?.eta, first?.properties.headers?.expires]) {
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/)
  }
  const zoneless = failureOf(app.sendTask('tasks.add', [], {}, { queue, eta: '2030-01-01T00:00:00' }))
  expect(await zoneless).toMatchObject({ code: 'ERR_INVALID_TASK' })
})
