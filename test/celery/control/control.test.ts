import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import type { Celery } from '../../../lib/celery/celery.ts'
import type { Control } from '../../../lib/celery/control/control.ts'
import { AsyncResult } from '../../../lib/celery/results/async-result.ts'
import { uniqueName, useBroker } from '../../support/broker.ts'
import { type CeleryWorker, celeryTest, hasCelery, startCeleryWorker } from '../../support/celery-worker.ts'
import { until } from '../../support/condition.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp, makeProxy, NOWHERE } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'
import { runPython } from '../celery-python.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe('a real worker', () => {
  let worker: CeleryWorker
  let node: string
  beforeAll(async () => {
    if (!hasCelery()) return
    worker = await startCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })
    node = worker.node
  }, 90_000)
  afterAll(() => worker?.stop())

  /** Other tests have workers on the same broker: only ours is meant. */
  function ours(app: Celery) {
    return app.control.inspect({ destination: node, timeoutMs: 20_000 })
  }

  celeryTest('answers a ping, alone and among all', async () => {
    const { control } = makeApp({ broker: broker.url })
    const alone = await control.ping({ destination: node, timeoutMs: 20_000 })
    // How many others there are nobody knows: each ping of all waits for its whole time.
    await until(async () => (await control.ping({ timeoutMs: 500 })).some((reply) => node in reply))

    expect(alone).toEqual([{ [node]: { ok: 'pong' } }])
    expect(await control.ping({ pattern: `${node.slice(0, 10)}*`, limit: 1, timeoutMs: 20_000 })).toEqual(alone)
  })

  celeryTest('tells its tasks, its queues, its numbers and its settings', async () => {
    const app = makeApp({ broker: broker.url })
    const inspect = ours(app)
    const [registered, queuesOf, stats, conf, clock, report] = await Promise.all([
      inspect.registered(),
      inspect.activeQueues(),
      inspect.stats(),
      inspect.conf(),
      inspect.clock(),
      inspect.report(),
    ])

    expect(registered[node]).toEqual(expect.arrayContaining(['tasks.add', 'tasks.mul']))
    expect(queuesOf[node]).toEqual([expect.objectContaining({ name: worker.queue })])
    expect(stats[node]).toMatchObject({ pid: worker.pid, pool: expect.any(Object), total: expect.any(Object) })
    expect(conf[node]).toMatchObject({ include: expect.arrayContaining(['celery_tasks']) })
    expect(clock[node]).toEqual({ clock: expect.any(Number) })
    expect(report[node]?.ok).toContain('celery')
    await app.control.rateLimit('tasks.mul', '100/s', { destination: [node] })
    expect((await inspect.registered('rate_limit'))[node]?.join()).toContain('tasks.mul [rate_limit=100/s]')
    expect((await inspect.registered())[node]).toContain('tasks.mul')
    expect((await inspect.registered('rate_limit'))[node]?.join()).toContain('tasks.add')
  })

  celeryTest('does not start a task that is revoked while it waits', async () => {
    const app = makeApp({ broker: broker.url })
    const replyTo = await queues.declare({ durable: false })
    const { taskId } = await app.sendTask('tasks.add', [1, 2], {}, { queue: worker.queue, countdown: 3, replyTo })
    const inspect = ours(app)
    await until(async () => (await inspect.scheduled())[node]?.some(({ request }) => request.id === taskId) ?? false)
    const replies = await app.control.revoke(taskId, { destination: node, reply: true, timeoutMs: 20_000 })

    expect(replies).toEqual([{ [node]: { ok: expect.stringContaining(taskId) } }])
    expect((await inspect.revoked())[node]).toContain(taskId)
    const [result] = (await queues.take(replyTo, 1)) as [ConsumeMessage]
    expect(JSON.parse(result.content.toString())).toMatchObject({ task_id: taskId, status: 'REVOKED' })
  })

  celeryTest('takes on a queue, gives it up, and gets limits', async () => {
    const app = makeApp({ broker: broker.url })
    const [queue, replyTo] = [queues.name(), await queues.declare({ durable: false })]
    const options = { destination: node, reply: true, timeoutMs: 20_000 }
    const added = await app.control.addConsumer(queue, options)
    await app.sendTask('tasks.add', [1, 2], {}, { queue, replyTo })
    await queues.take(replyTo, 1)

    expect(added).toEqual([{ [node]: { ok: `add consumer ${queue}` } }])
    expect(await app.control.cancelConsumer(queue, options)).toEqual([
      { [node]: { ok: `no longer consuming from ${queue}` } },
    ])
    expect(await app.control.rateLimit('tasks.mul', '100/m', options)).toEqual([
      { [node]: { ok: 'new rate limit set successfully' } },
    ])
    expect(await app.control.timeLimit('tasks.mul', { soft: 5, hard: 10, ...options })).toEqual([
      { [node]: { ok: 'time limits set successfully' } },
    ])
    await queues.channel.deleteExchange(queue)
  })

  celeryTest('says what it has against a command, and other commands are for others', async () => {
    const app = makeApp({ broker: broker.url })
    const options = { destination: node, reply: true, timeoutMs: 20_000 }

    expect(await app.control.rateLimit('tasks.unknown', 5, options)).toEqual([{ [node]: { error: 'unknown task' } }])
    expect(
      await app.control.broadcast('ping', {}, { destination: 'nobody@here', reply: true, timeoutMs: 300 }),
    ).toEqual([])
    expect(await app.control.inspect({ destination: 'nobody@here', timeoutMs: 300 }).ping()).toEqual({})
  })

  celeryTest('answers after the connection was lost and is back', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url })
    await app.control.ping({ destination: node, timeoutMs: 20_000 })
    proxy.reset()
    await until(() => app.pool.stats().connections === 0)

    expect(await app.control.ping({ destination: node, timeoutMs: 20_000 })).toEqual([{ [node]: { ok: 'pong' } }])
  })

  celeryTest(
    'ends when it is told to',
    async () => {
      const other = await startCeleryWorker({ brokerUrl: broker.url })
      const app = makeApp({ broker: broker.url })
      await app.control.shutdown({ destination: other.node })
      await until(() => other.output().includes('Shutdown') || other.output().includes('shutdown'))
      await other.stop()

      expect(await app.control.ping({ destination: other.node, timeoutMs: 300 })).toEqual([])
    },
    60_000,
  )
})

describe('the message of a command', () => {
  /** Commands as this package and as Celery send them. */
  const COMMANDS: readonly (readonly [ours: (control: Control) => Promise<unknown>, theirs: string])[] = [
    [(control) => control.revoke('a'), "revoke('a')"],
    [
      (control) => control.revoke(['a', 'b'], { terminate: true, signal: 'SIGKILL', destination: 'w@h' }),
      "revoke(['a', 'b'], terminate=True, signal='SIGKILL', destination=['w@h'])",
    ],
    [(control) => control.terminate('a'), "terminate('a', signal='SIGTERM')"],
    [(control) => control.rateLimit('t', '5/m'), "rate_limit('t', '5/m')"],
    [(control) => control.timeLimit('t', { soft: 1.5, hard: 2 }), "time_limit('t', soft=1.5, hard=2)"],
    [(control) => control.timeLimit('t'), "time_limit('t')"],
    [(control) => control.addConsumer('q'), "add_consumer('q')"],
    [
      (control) => control.addConsumer('q', { exchange: 'e', exchangeType: 'topic', routingKey: 'k' }),
      "add_consumer('q', exchange='e', exchange_type='topic', routing_key='k')",
    ],
    [(control) => control.cancelConsumer('q'), "cancel_consumer('q')"],
    [(control) => control.poolGrow(), 'pool_grow()'],
    [(control) => control.poolShrink(2), 'pool_shrink(2)'],
    [(control) => control.poolRestart(), 'pool_restart()'],
    [(control) => control.autoscale(10, 3), 'autoscale(10, 3)'],
    [(control) => control.enableEvents(), 'enable_events()'],
    [(control) => control.disableEvents(), 'disable_events()'],
    [(control) => control.heartbeat(), 'heartbeat()'],
    [(control) => control.shutdown({ destination: ['w@h'] }), "shutdown(destination=['w@h'])"],
    [(control) => control.broadcast('own', { a: [1] }), "broadcast('own', arguments={'a': [1]})"],
    [
      (control) => control.broadcast('own', {}, { pattern: 'w*', matcher: 'glob' }),
      "broadcast('own', pattern='w*', matcher='glob')",
    ],
    [(control) => control.ping({ timeoutMs: 1 }), 'ping(timeout=0.001)'],
    [(control) => control.inspect({ timeoutMs: 1 }).scheduled(), 'inspect(timeout=0.001).scheduled()'],
    [(control) => control.inspect({ timeoutMs: 1 }).queryTask('a', 'b'), "inspect(timeout=0.001).query_task('a', 'b')"],
    [(control) => control.inspect({ timeoutMs: 1 }).registered('a'), "inspect(timeout=0.001).registered('a')"],
    [(control) => control.inspect({ timeoutMs: 1 }).conf({ withDefaults: true }), 'inspect(timeout=0.001).conf(True)'],
    [(control) => control.inspect({ timeoutMs: 1 }).memdump(), 'inspect(timeout=0.001).memdump()'],
  ]

  celeryTest(
    'is the one that Celery sends',
    async () => {
      const name = uniqueName('control')
      const queue = await listenTo(`${name}.pidbox`)
      const { control } = makeApp({ broker: broker.url, controlExchange: name })
      for (const [ours] of COMMANDS) await ours(control)
      const sent = await queues.take(queue, COMMANDS.length)
      const program = `
import json, sys
from celery import Celery
url, name, commands = json.load(sys.stdin)
app = Celery('t', broker=url)
app.conf.control_exchange = name
for command in commands:
    eval('app.control.' + command)
print('null')
`
      runPython(program, [broker.url, name, COMMANDS.map(([, theirs]) => theirs)])
      const expected = await queues.take(queue, COMMANDS.length)
      await forget(name)

      expect(sent.map(comparable)).toEqual(expected.map(comparable))
    },
    60_000,
  )

  test('goes to an exchange that nobody else has declared yet, and an absent worker is no error', async () => {
    const name = uniqueName('control')
    const app = makeApp({ broker: broker.url, controlExchange: name })

    expect(await app.control.revoke('some-id')).toEqual([])
    expect(await app.control.ping({ timeoutMs: 50 })).toEqual([])
    await forget(name)
  })

  test('is sent by a result too, for its task', async () => {
    const name = uniqueName('control')
    const queue = await listenTo(`${name}.pidbox`)
    const app = makeApp({ broker: broker.url, controlExchange: name })
    const result = await app.sendTask('tasks.add', [1, 2], {}, { queue: queues.name() })
    await result.revoke({ terminate: true })
    await app.asyncResult('another').revoke()
    const sent = await queues.take(queue, 2)
    await forget(name)

    expect(sent.map(({ content }) => JSON.parse(content.toString()).arguments)).toEqual([
      { task_id: result.taskId, terminate: true, signal: 'SIGTERM' },
      { task_id: 'another', terminate: false, signal: 'SIGTERM' },
    ])
    expect(await failureOf(result.revoke({ signal: 9 as never }))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
    expect(await failureOf(new AsyncResult('lone').revoke())).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  })

  test('takes a reply with words that only Python has for numbers', async () => {
    const name = uniqueName('control')
    const queue = await listenTo(`${name}.pidbox`)
    const app = makeApp({ broker: broker.url, controlExchange: name })
    const asking = app.control.inspect({ timeoutMs: 20_000, limit: 1 }).request('load')
    const [message] = (await queues.take(queue, 1)) as [ConsumeMessage]
    const { ticket, reply_to: to } = JSON.parse(message.content.toString())
    const reply = Buffer.from('{"worker@here": {"load": NaN, "most": Infinity}}')
    queues.channel.publish(to.exchange, to.routing_key, reply, { contentType: 'application/json', headers: { ticket } })

    expect(await asking).toEqual({ 'worker@here': { load: Number.NaN, most: Number.POSITIVE_INFINITY } })
    await forget(name)
  })

  test('says until when a reply is waited for', async () => {
    const name = uniqueName('control')
    const queue = await listenTo(`${name}.pidbox`)
    const app = makeApp({ broker: broker.url, controlExchange: name })
    await app.control.ping({ timeoutMs: 50 })
    const [message] = (await queues.take(queue, 1)) as [ConsumeMessage]
    await forget(name)

    const { expires, clock } = message.properties.headers ?? {}
    expect(Math.abs(expires - Date.now() / 1_000)).toBeLessThan(60)
    expect(clock).toBe(1)
  })

  /** A queue that gets what is sent to the workers behind an exchange. */
  async function listenTo(exchange: string): Promise<string> {
    const queue = await queues.declare({ durable: false })
    await queues.channel.assertExchange(exchange, 'fanout', { durable: false })
    await queues.channel.bindQueue(queue, exchange, '')
    return queue
  }

  async function forget(name: string): Promise<void> {
    await queues.channel.deleteExchange(`${name}.pidbox`)
    await queues.channel.deleteExchange(`reply.${name}.pidbox`)
  }

  /** Without ids and times; a soft or hard limit, or a queue's option, may stand in any order. */
  function comparable({ content, fields, properties: { headers, ...properties } }: ConsumeMessage): object {
    const { ticket, reply_to: replyTo, ...body } = JSON.parse(content.toString())
    return {
      key: fields.routingKey,
      body,
      wantsReply: typeof ticket,
      replyExchange: replyTo?.exchange,
      properties,
      headers: Object.keys(headers ?? {}).sort(),
    }
  }
})

test('without a broker a command ends in a named error, awaited or not', async () => {
  const app = makeApp({ broker: NOWHERE, acquireTimeoutMs: 200, publishTimeoutMs: 200 })
  void app.control.revoke('id')

  expect(await failureOf(app.control.revoke('id'))).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  expect(await failureOf(app.control.inspect().ping())).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
})

const BAD: readonly (readonly [what: string, call: (app: Celery) => Promise<unknown>, message: RegExp])[] = [
  [
    'no id',
    ({ control }) => control.revoke(''),
    /^a task's id must be a string that is not empty, or a list of some, got ""$/,
  ],
  ['no ids', ({ control }) => control.revoke([]), /^a task's id must be/],
  ['a number for an id', ({ control }) => control.revoke([5 as never]), /^a task's id must be/],
  [
    'a number for a signal',
    ({ control }) => control.revoke('a', { signal: 9 as never }),
    /^signal must be the name of a signal such as SIGTERM, got 9$/,
  ],
  [
    'null for options',
    ({ control }) => control.revoke('a', null as never),
    /^the options of a command must be an object, got null$/,
  ],
  [
    'an unknown option',
    ({ control }) => control.revoke('a', { timeout: 5 } as never),
    /^timeout is not known; did you mean timeoutMs\?$/,
  ],
  [
    'a wrong destination',
    ({ control }) => control.ping({ destination: [] }),
    /^destination must be the name of a node such as celery@host/,
  ],
  ['a wrong time', ({ control }) => control.ping({ timeoutMs: 0 }), /^timeoutMs must be an integer from 1/],
  [
    'a matcher alone',
    ({ control }) => control.ping({ matcher: 'glob' }),
    /^pattern must be a pattern of node names for the matcher/,
  ],
  ['no command', ({ control }) => control.broadcast(''), /^a command must be a name that is not empty/],
  [
    'a list for arguments',
    ({ control }) => control.broadcast('c', [] as never),
    /^the arguments of c must be an object/,
  ],
  [
    'arguments beyond JSON',
    ({ control }) => control.broadcast('c', { n: 1n }),
    /^n of c must be what JSON can carry, got 1n$/,
  ],
  [
    'a wrong rate',
    ({ control }) => control.rateLimit('t', '5/y'),
    /^rateLimit must be a number of tasks per second, or a rate such as 100\/m, got "5\/y"$/,
  ],
  [
    'a wrong limit',
    ({ control }) => control.timeLimit('t', { soft: -1 }),
    /^soft must be a number of 0 or more, got -1$/,
  ],
  ['no task', ({ control }) => control.timeLimit(undefined as never), /^the name of a task must be a name/],
  ['a wrong number of processes', ({ control }) => control.poolGrow(0), /^n must be a number of 1 or more, got 0$/],
  ['no queue', ({ control }) => control.addConsumer(''), /^a queue must be a name that is not empty/],
  ['a wrong exchange', ({ control }) => control.addConsumer('q', { exchange: 5 as never }), /^exchange must be a name/],
]

test.each(BAD)('%s is ERR_INVALID_OPTION', async (_, call, message) => {
  const error = await failureOf(call(makeApp({ broker: NOWHERE })))

  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) })
})
