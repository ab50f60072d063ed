import { describe, expect, test } from '@jest/globals'
import type { TaskDraft } from '../../lib/celery/task-draft.ts'
import { useBroker } from '../support/broker.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe('beforeTaskPublish', () => {
  test('may change headers, properties, arguments and the route', async () => {
    const app = makeApp({ broker: broker.url })
    const [queue, other] = [queues.name(), await queues.declare()]
    const given = [1]
    app.on('beforeTaskPublish', (draft) => {
      draft.headers.tenant = 'acme'
      draft.properties.priority = 7
      draft.args.push(2)
      draft.kwargs.extra = true
      draft.embed = { ...draft.embed, callbacks: [{ task: 'a' }] }
      draft.routingKey = other
    })
    const { taskId } = await app.createTask('tasks.add', { queue, headers: { a: 1 } }).applyAsync(given)

    const [message] = await queues.take(other, 1)
    expect(message?.properties).toMatchObject({
      priority: 7,
      headers: { tenant: 'acme', a: 1, id: taskId, argsrepr: '(1,)' },
    })
    const body = JSON.parse(message?.content.toString() as string)
    expect(body).toMatchObject([[1, 2], { extra: true }, { callbacks: [{ task: 'a' }], chord: null }])
    expect(given).toEqual([1])
  })

  test('that changes nothing leaves the message that is sent without it', async () => {
    const queue = queues.name()
    const options = { queue, taskId: '6f1b6f6c-6f0e-4a8e-9d5a-0d5f3a0c7b11', eta: new Date('2030-01-01T00:00:00Z') }
    const link = { task: 'é' }
    for (const isHeard of [false, true]) {
      const app = makeApp({ broker: broker.url })
      if (isHeard) app.on('beforeTaskPublish', () => {})
      await app.sendTask('tasks.add', ['é'], { a: 1 }, { ...options, link, stamps: { s: 1 }, compression: 'gzip' })
    }

    const [plain, heard] = await queues.take(queue, 2)
    expect(heard?.properties).toEqual(plain?.properties)
    expect(heard?.content.equals(plain?.content as Buffer)).toBe(true)
  })

  test('that gives a task another id gives its result that id, by which the worker goes', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    app.on('beforeTaskPublish', (draft) => {
      draft.headers.id = 'order-17'
    })
    const result = await app.sendTask('tasks.add', [], {}, { queue })

    expect(result.taskId).toBe('order-17')
    expect((await queues.take(queue, 1))[0]?.properties.headers).toMatchObject({ id: 'order-17' })
  })

  test('that throws, or rejects, is logged, and the task is sent', async () => {
    const logger = new RecordedLog()
    const app = makeApp({ broker: broker.url, logger, name: 'shop' })
    const queue = queues.name()
    app.on('beforeTaskPublish', () => {
      throw new Error('no')
    })
    app.on('beforeTaskPublish', (() => Promise.reject(new Error('later'))) as () => void)
    await app.sendTask('tasks.add', [], {}, { queue })

    expect(await queues.depth(queue)).toBe(1)
    expect(logger.of('pool.warning')).toEqual([
      expect.objectContaining({ pool: 'shop', reason: 'a listener of beforeTaskPublish threw' }),
      expect.objectContaining({ pool: 'shop', reason: 'a listener of beforeTaskPublish threw' }),
    ])
  })

  test.each<[string, (draft: TaskDraft) => void, RegExp]>([
    [
      'a header that is none',
      ({ headers }) => Object.assign(headers, { bad: new Date() }),
      /headers\.bad must be a string/,
    ],
    ['no task', ({ headers }) => delete headers.task, /headers\.task must stay a string/],
    ['no id', ({ headers }) => Object.assign(headers, { id: 7 }), /headers\.id must stay a string/],
    [
      'a content type that no worker reads',
      ({ properties }) => Object.assign(properties, { contentType: 'application/data' }),
      /properties\.contentType must not be application\/data/,
    ],
    [
      'one limit',
      ({ headers }) => Object.assign(headers, { timelimit: [60] }),
      /headers\.timelimit must be an array of/,
    ],
    [
      'a limit in words',
      ({ headers }) => Object.assign(headers, { timelimit: ['1 min', null] }),
      /headers\.timelimit must be an array of two numbers/,
    ],
    [
      'a time in ms',
      ({ headers }) => Object.assign(headers, { eta: 1e12 }),
      /headers\.eta must be an ISO 8601 time or null/,
    ],
    [
      'a time in words',
      ({ headers }) => Object.assign(headers, { expires: 'soon' }),
      /headers\.expires must be .*"soon"/,
    ],
    [
      'a flag in words',
      ({ headers }) => Object.assign(headers, { ignore_result: 'no' }),
      /headers\.ignore_result must be true or false, got "no"/,
    ],
    ['no content type', ({ properties }) => delete properties.contentType, /contentType must stay/],
    [
      'a priority that is none',
      ({ properties }) => Object.assign(properties, { priority: 'x' }),
      /priority must be an integer/,
    ],
    ['a property that is none', ({ properties }) => Object.assign(properties, { prio: 1 }), /prio is not known/],
    ['an argument that is none', ({ args }) => args.push(1n), /args\[0\] is a BigInt/],
    ['a route that is none', (draft) => Object.assign(draft, { routingKey: 7 }), /routingKey must be a string/],
  ])('that leaves %s makes the call ERR_INVALID_TASK', async (_, spoil, message) => {
    const app = makeApp({ broker: NOWHERE })
    app.on('beforeTaskPublish', (draft) => {
      spoil(draft)
    })

    const error = await failureOf(app.sendTask('tasks.add'))
    expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent' })
    expect(error.message).toMatch(message)
  })

  test('in protocol v1 sees the caller’s headers, and cannot make it a message of v2', async () => {
    const app = makeApp({ broker: broker.url, taskProtocol: 1 })
    const queue = queues.name()
    let isSpoiling = false
    app.on('beforeTaskPublish', ({ headers, kwargs }) => {
      kwargs.k = 1
      if (isSpoiling) headers.task = 'x'
      else headers.mine = 'y'
    })
    await app.sendTask('tasks.add', [1], {}, { queue })
    isSpoiling = true
    const error = await failureOf(app.sendTask('tasks.add', [1], {}, { queue }))

    const [message] = await queues.take(queue, 1)
    expect(message?.properties.headers).toEqual({ mine: 'y' })
    expect(JSON.parse(message?.content.toString() as string)).toMatchObject({
      task: 'tasks.add',
      args: [1],
      kwargs: { k: 1 },
    })
    expect(error.message).toMatch(/headers\.task makes a message one of protocol v2/)
  })
})

test('afterTaskPublish is told of a confirmed task, taskPublishFailed of one that was not', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = queues.name()
  const told: unknown[] = []
  app.on('afterTaskPublish', ({ name, taskId, headers }) => told.push([name, taskId, headers.task]))
  app.on('taskPublishFailed', ({ name, routingKey }, { code, outcome }) => told.push([name, routingKey, code, outcome]))
  const { taskId } = await app.sendTask('tasks.add', [], {}, { queue })
  await failureOf(app.sendTask('tasks.mul', [], {}, { queue: 'nowhere', declare: false }))

  expect(told).toEqual([
    ['tasks.add', taskId, 'tasks.add'],
    ['tasks.mul', 'nowhere', 'ERR_UNROUTABLE', 'refused'],
  ])
})

test('taskPublishFailed is told of a task that beforeTaskPublish has spoilt', async () => {
  const app = makeApp({ broker: NOWHERE })
  const told: unknown[] = []
  app.on('beforeTaskPublish', ({ headers }) => {
    delete headers.task
  })
  app.on('taskPublishFailed', ({ name }, { code }) => told.push([name, code]))
  await failureOf(app.sendTask('tasks.add'))

  expect(told).toEqual([['tasks.add', 'ERR_INVALID_TASK']])
})

test('a listener that is taken off hears no more', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = queues.name()
  const heard: string[] = []
  const listener = ({ name }: TaskDraft) => heard.push(name) as never
  app.on('beforeTaskPublish', listener)
  await app.sendTask('tasks.first', [], {}, { queue })
  app.off('beforeTaskPublish', listener)
  await app.sendTask('tasks.second', [], {}, { queue })

  expect(heard).toEqual(['tasks.first'])
})

test.each([
  ['beforePublish', () => {}, /"beforePublish" is not an event of an app; known are beforeTaskPublish/],
  ['afterTaskPublish', 'fn', /a listener must be a function, got "fn"/],
])('on(%s, %p) is ERR_INVALID_OPTION', (event, listener, message) => {
  expect(() => makeApp({ broker: NOWHERE }).on(event as never, listener as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
  )
})

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('traceContext', () => {
  test.each([
    [1, {}],
    [2, {}],
    [2, { countdown: 0.5, expires: 60 }],
    [2, { taskId: 'no-uuid' }],
    [2, { expires: new Date(Date.now() + 60_000) }],
  ] as const)(
    'in protocol v%d puts each caller’s trace into the headers, with options %j',
    async (taskProtocol, options) => {
      const traces = [{ traceparent: TRACEPARENT, tracestate: 'vendor=é' }, undefined, { traceparent: TRACEPARENT }]
      const app = makeApp({ broker: broker.url, taskProtocol, traceContext: () => traces.shift() })
      const queue = queues.name()
      const task = app.createTask('tasks.add', { queue, ...options })
      for (const n of [1, 2, 3]) await task.delay(n)

      const headers = (await queues.take(queue, 3)).map(({ properties }) => properties.headers ?? {})
      expect(headers.map(({ traceparent, tracestate }) => [traceparent, tracestate])).toEqual([
        [TRACEPARENT, 'vendor=é'],
        [undefined, undefined],
        [TRACEPARENT, undefined],
      ])
      if (taskProtocol === 2) expect(headers.map(({ argsrepr }) => argsrepr)).toEqual(['(1,)', '(2,)', '(3,)'])
    },
  )

  test.each([
    () => {
      throw new Error('no')
    },
    () => 'trace' as never,
    () => ({ traceparent: 'x' }),
    () => null as never,
  ])('that is none loses no task: %p', async (traceContext) => {
    const app = makeApp({ broker: broker.url, traceContext })
    const queue = queues.name()
    await app.sendTask('tasks.add', [], {}, { queue })

    const [message] = await queues.take(queue, 1)
    expect(Object.keys(message?.properties.headers ?? {})).not.toContain('traceparent')
  })

  test('gives way to headers of the caller’s own', async () => {
    const app = makeApp({ broker: broker.url, traceContext: () => ({ traceparent: TRACEPARENT, tracestate: 'a=1' }) })
    const queue = queues.name()
    await app.sendTask('tasks.add', [], {}, { queue, headers: { traceparent: 'mine' } })

    const [message] = await queues.take(queue, 1)
    expect(message?.properties.headers).toMatchObject({ traceparent: 'mine', tracestate: 'a=1' })
  })
})
