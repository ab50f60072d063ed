import { describe, expect, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import {
  type AsyncResult,
  type Canvas,
  chain,
  chord,
  type GroupResult,
  group,
  type TaskOptions,
} from '../../../lib/index.ts'
import { useBroker } from '../../support/broker.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp, NOWHERE } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** An app that sends nothing. */
const idle = () => makeApp({ broker: NOWHERE })

async function messagesOf(
  queue: string,
  count: number,
): Promise<{ body: unknown[]; headers: Record<string, unknown> }[]> {
  const messages: ConsumeMessage[] = await queues.take(queue, count)
  return messages.map(({ content, properties }) => ({
    body: JSON.parse(content.toString()),
    headers: properties.headers as Record<string, unknown>,
  }))
}

describe('a signature', () => {
  test('never changes: what says more about it gives another', () => {
    const add = idle().createTask('tasks.add', { queue: 'math', headers: { a: 1 } })
    const first = add.s(2)
    const json = JSON.stringify(first)
    const others = [
      first.set({ priority: 3 }),
      first.link(add.s(1)),
      first.linkError(add.s(1)),
      first.clone([1], { b: 2 }),
    ]

    expect(JSON.stringify(first)).toBe(json)
    expect(new Set([json, ...others.map((other) => JSON.stringify(other))]).size).toBe(5)
    expect(() => (first.args as unknown[]).push(1)).toThrow(TypeError)
  })

  test('is written with all six keys, under the names that Celery has for its options', () => {
    const add = idle().createTask('tasks.add', { queue: 'math', priority: 1, headers: { a: 1 } })
    const options = {
      taskId: 'id-1',
      timeLimit: 60,
      ignoreResult: true,
      headers: { b: 2 },
      timeoutMs: 50,
      mandatory: false,
    }

    expect(add.signature([1], { x: 2 }, options).toJSON()).toEqual({
      task: 'tasks.add',
      args: [1],
      kwargs: { x: 2 },
      options: {
        queue: 'math',
        priority: 1,
        headers: { a: 1, b: 2 },
        task_id: 'id-1',
        time_limit: 60,
        ignore_result: true,
      },
      subtask_type: null,
      immutable: false,
    })
  })

  test('is written with a retry policy of its own under Celery’s names, and without that of its app', () => {
    const app = makeApp({ broker: NOWHERE, taskPublishRetry: false, taskPublishRetryPolicy: { intervalMax: 9 } })
    const retryPolicy = { maxRetries: null, intervalStart: 1, intervalStep: 2, intervalMax: 3 }

    expect(app.signature('tasks.add', [], {}, { retry: true, retryPolicy }).toJSON().options).toEqual({
      retry: true,
      retry_policy: { max_retries: null, interval_start: 1, interval_step: 2, interval_max: 3 },
    })
    expect(app.signature('tasks.add').toJSON().options).toEqual({})
  })

  test('is written with its stamps as Celery 5.3 and later write them: each as an option, and their names', () => {
    const add = idle().createTask('tasks.add', { stamps: { tenant: 'acme', day: 3, unused: true } })
    const sent = add.signature([1], {}, { stampedHeaders: ['tenant', 'day'] })

    expect(sent.toJSON().options).toEqual({ stamped_headers: ['tenant', 'day'], tenant: 'acme', day: 3 })
  })

  test.each(['queue', 'time_limit', 'retry_policy', 'name', 'stamps', 'add_to_parent'])(
    'is refused with a stamp that is called like the option %s, but sent by itself with it',
    async (name) => {
      const app = makeApp({ broker: broker.url })
      const queue = queues.name()
      const add = app.createTask('tasks.add', { queue, stamps: { [name]: 1 } })
      await add.s(1).applyAsync()

      expect((await messagesOf(queue, 1))[0]?.headers.stamps).toEqual({ [name]: 1 })
      expect(await failureOf(chain(add.s(1), add.s(2)).applyAsync())).toMatchObject({
        code: 'ERR_INVALID_TASK',
        outcome: 'not-sent',
        message: expect.stringContaining(`stamps.${name} has the name of an option`),
      })
    },
  )

  test('has an errback that a worker would call in its own process as a group of one', () => {
    const add = idle().createTask('tasks.add', { queue: 'math' })
    const { options } = add
      .s(1)
      .linkError(chain(add.s(2), add.s(3)))
      .linkError(add.map([1]))
      .linkError(add.s(4))
      .toJSON()

    expect(options?.link_error).toMatchObject([
      { task: 'celery.group', kwargs: { tasks: [{ task: 'celery.chain' }] }, subtask_type: 'group' },
      { task: 'celery.group', kwargs: { tasks: [{ task: 'celery.map' }] }, subtask_type: 'group' },
      { task: 'tasks.add', args: [4] },
    ])
  })

  test('takes no option that is undefined for one, wherever it is given', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const add = app.signature('tasks.add', [1], {}, { queue, priority: 5 })
    const none = { queue: undefined, priority: undefined, link: undefined }
    for (const each of [add, chain(add, add), group(add), chord([], add)]) await each.applyAsync([], {}, none)

    const messages = await queues.take(queue, 4)
    expect(messages.map(({ properties }) => properties.priority)).toEqual([5, 5, 5, 5])
  })

  test.each<[string, TaskOptions, TaskOptions, object]>([
    ['an eta over a countdown', { countdown: 5 }, { eta: '2030-01-01T00:00:00+00:00' }, { eta: expect.any(String) }],
    ['a countdown over an eta', { eta: '2030-01-01T00:00:00+00:00' }, { countdown: 5 }, { countdown: 5 }],
    [
      'stamps over stamps that were named',
      { stamps: { a: 1, b: 2 }, stampedHeaders: ['a'] },
      { stamps: { c: 3 } },
      { stamps: { c: 3 }, stampedHeaders: ['c'] },
    ],
  ])('lays %s, as a call of a task does', (_, own, over, expected) => {
    const app = idle()
    const set = app.signature('tasks.add', [], {}, own).set(over)
    const { mandatory, declare, ...options } = set.options

    expect(options).toEqual(expected)
    expect(app.createTask('tasks.add', own).signature([], {}, over).options).toEqual(set.options)
  })

  test('has a link or an errback once, however often it is given', () => {
    const add = idle().createTask('tasks.add')
    const [callback, errback] = [add.s(2), chain(add.s(3), add.s(4))]
    const twice = add.s(1).link(callback).link(add.s(2)).linkError(errback).linkError(errback).link(add.si(2))

    expect(twice.options.link).toHaveLength(2)
    expect(twice.options.linkError).toHaveLength(1)
  })

  test('leads a worker to where this app would send the task, whatever routes the worker has', () => {
    const routed = makeApp({
      broker: NOWHERE,
      taskDefaultQueue: 'web',
      taskRoutes: { 'video.*': { queue: 'media', priority: 4 }, 'mail.*': { exchange: 'mail', routingKey: 'out' } },
    })
    const optionsOf = (name: string) => routed.signature(name).toJSON().options

    expect(optionsOf('tasks.add')).toEqual({ queue: 'web' })
    expect(optionsOf('video.encode')).toMatchObject({ queue: 'media', priority: 4 })
    expect(optionsOf('mail.send')).toMatchObject({ exchange: 'mail', routing_key: 'out' })
    expect(idle().signature('tasks.add').toJSON().options).toEqual({})
  })

  test('puts the arguments of a call before its own, unless it is immutable', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const add = app.createTask('tasks.add', { queue })
    await add.signature([3], { a: 1 }).applyAsync([1, 2], { b: 2 }, { priority: 5 })
    await add.si(3).delay(1, 2)

    const [partial, immutable] = await messagesOf(queue, 2)
    expect(partial?.body.slice(0, 2)).toEqual([[1, 2, 3], { a: 1, b: 2 }])
    expect(immutable?.body.slice(0, 2)).toEqual([[3], {}])
  })

  test.each<[unknown[], RegExp]>([
    [[undefined], /^args\[0\] is undefined/],
    [[{ when: new Date() }], /^args\[0\]\.when is a Date/],
    [[1n], /^args\[0\] is a BigInt/],
  ])('is refused where it is written when its arguments could not be sent, case %#', (args, message) => {
    const add = idle().createTask('tasks.add')

    expect(() => add.s(...args)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }),
    )
  })

  test('as a constant link of a task is encoded ahead with it', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const log = app.createTask('tasks.log', { queue })
    const add = app.createTask('tasks.add', { queue, link: log.s('done'), linkError: [log.si('failed')] })
    await add.delay(1)
    await add.applyAsync([2], {}, { link: null })

    const [linked, plain] = await messagesOf(queue, 2)
    expect(linked?.body[2]).toMatchObject({
      callbacks: [{ task: 'tasks.log', args: ['done'], immutable: false }],
      errbacks: [{ task: 'tasks.log', args: ['failed'], immutable: true }],
    })
    expect(plain?.body[2]).toMatchObject({ callbacks: null, errbacks: [{ args: ['failed'] }] })
  })
})

describe('a workflow', () => {
  test('is started again with other ids', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const add = app.createTask('tasks.add', { queue })
    const flow = chain(add.s(1), add.s(2))
    const [first, second] = [await flow.applyAsync(), await flow.applyAsync()]

    expect(first.taskId).not.toBe(second.taskId)
    const [one, two] = await messagesOf(queue, 2)
    expect([one?.headers.id, two?.headers.id]).toEqual([first.parent?.id, second.parent?.id])
    expect(one?.body[2]).toMatchObject({ chain: [{ options: { task_id: first.taskId } }] })
  })

  test('goes out in one write, however many messages it is', async () => {
    const app = makeApp({ broker: broker.url, maxChannels: 1 })
    const queue = queues.name()
    const add = app.createTask('tasks.add', { queue })
    await add.delay(0)
    const { leases } = app.pool.stats()
    const result = await group(Array.from({ length: 500 }, (_, n) => add.s(n))).applyAsync()

    const messages = await messagesOf(queue, 501)
    expect(messages.slice(1).map(({ headers }) => headers.group)).toEqual(Array(500).fill(result.id))
    expect(messages.slice(1).map(({ headers }) => headers.id)).toEqual(result.results.map(({ id }) => id))
    expect(app.pool.stats().leases - leases).toBeLessThanOrEqual(2)
  })

  test('of which one message cannot be sent sends none, and is counted as a task that failed', async () => {
    const logger = new RecordedLog()
    const app = makeApp({ broker: broker.url, logger })
    const queue = queues.name()
    const add = app.createTask('tasks.add', { queue })
    const error = await failureOf(group(add.s(1), add.s(2)).applyAsync([Number.NaN]))

    expect(error).toMatchObject({
      code: 'ERR_INVALID_TASK',
      outcome: 'not-sent',
      message: expect.stringMatching(/NaN/),
    })
    expect(app.pool.stats()).toMatchObject({ confirms: 0, failures: 1 })
    expect(logger.of('publish.fail')).toMatchObject([{ level: 'error', code: 'ERR_INVALID_TASK' }])
  })

  test('is rejected with the first failure when the broker does not take all of it', async () => {
    const app = makeApp({ broker: broker.url })
    const [queue, missing] = [queues.name(), queues.name()]
    const [add, lost] = [app.createTask('t', { queue }), app.createTask('t', { queue: missing, declare: false })]

    await expect(group(add.s(), lost.s(), add.s()).applyAsync()).rejects.toMatchObject({ code: 'ERR_UNROUTABLE' })
    expect(app.pool.stats()).toMatchObject({ confirms: 2, failures: 1 })
  })

  test('keeps the links and errbacks of a chain’s steps when its call has more', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const add = app.createTask('tasks.add', { queue })
    const flow = chain(add.s(1).linkError(add.s('a')), add.s(2).link(add.s('b')))
    await flow.applyAsync([], {}, { link: [add.s('c'), add.s('b')], linkError: add.s('d') })

    const [message] = await messagesOf(queue, 1)
    expect(message?.body[2]).toMatchObject({
      errbacks: [{ args: ['a'] }, { args: ['d'] }],
      chain: [{ options: { link: [{ args: ['b'] }, { args: ['c'] }], link_error: [{ args: ['d'] }] } }],
    })
  })

  test('of which a task ignores its result says so at once, and the others can be revoked', async () => {
    const app = makeApp({ broker: broker.url, backend: 'rpc://' })
    const add = app.createTask('tasks.add', { queue: queues.name() })
    const quietly = add.signature([1], {}, { ignoreResult: true })
    const results = await group<Canvas>(quietly, add.s(2), chain(add.s(3), quietly)).applyAsync()
    const [first, second, last] = results.results as [AsyncResult, AsyncResult, AsyncResult]

    for (const ignored of [first, last]) {
      expect(await failureOf(ignored.get())).toMatchObject({
        code: 'ERR_INVALID_OPTION',
        message: expect.stringContaining('the task was sent with ignoreResult'),
      })
    }
    expect(await failureOf(second.get({ timeoutMs: 10 }))).toMatchObject({ code: 'ERR_RESULT_TIMEOUT' })
    await expect(results.revoke()).resolves.toBeUndefined()
  })

  test('in protocol version 1 hands on by nested links, as that has no chains', async () => {
    const app = makeApp({ broker: broker.url, taskProtocol: 1 })
    const queue = queues.name()
    const add = app.createTask('tasks.add', { queue })
    const result = await chain(add.s(1).link(add.s(0)), add.s(2), add.s(3)).applyAsync()

    const [message] = await messagesOf(queue, 1)
    expect(message?.body).toMatchObject({
      args: [1],
      callbacks: [
        { args: [0] },
        { args: [2], options: { link: [{ args: [3], options: { task_id: result.taskId } }] } },
      ],
    })
  })

  test('gives the results of all its parts, each with what came before it', async () => {
    const app = makeApp({ broker: broker.url })
    const add = app.createTask('tasks.add', { queue: queues.name() })
    const result = await chain(add.s(1), group(add.s(2), add.s(3)), add.s(4)).applyAsync([], {}, { taskId: 'last' })
    const header = result.parent as unknown as { results: { id: string }[]; parent: { id: string; parent: unknown } }

    expect(result.taskId).toBe('last')
    expect(header.results).toHaveLength(2)
    expect(header.parent.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(header.parent.parent).toBeUndefined()
  })

  test('of an empty group sends nothing, and resolves with no results', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const sum = app.createTask('tasks.xsum', { queue })
    await chord([], sum.s()).applyAsync()

    const [message] = await messagesOf(queue, 1)
    expect(message?.body[0]).toEqual([[]])
    expect(await (await group([]).applyAsync([], {}, { taskId: 'none' })).get()).toEqual([])
    expect(await (await sum.chunks([], 3).applyAsync()).get()).toEqual([])
    expect((await group([]).applyAsync([], {}, { taskId: 'none' })).id).toBe('none')
    expect(app.pool.stats()).toMatchObject({ confirms: 1 })
  })

  // As Celery has it.
  test.each<[string, Canvas]>([
    ['a chain of an empty group', chain(group([]))],
    ['a chain of two', chain(group([]), group([]))],
    ['a chord of nothing', chord([], group([]))],
  ])('%s gives the result of a group of none', async (_, canvas) => {
    const result = (await canvas.applyAsync()) as GroupResult

    expect(result).toHaveLength(0)
    expect(await result.get()).toEqual([])
  })

  test.each<[string, (part: Canvas) => unknown, RegExp]>([
    ['a chain of nothing', () => chain(), /^a chain needs one task at least$/],
    ['no signature', (add) => chain(add, add, 7 as never), /^chain\[2\] must be a signature, .*, got 7$/],
    ['undefined', (add) => group(add, undefined as never), /^group\[1\] must be a signature, .*, got undefined$/],
    [
      'a task for a signature',
      () => group(idle().createTask('t') as never),
      /^group\[0\] must be .* an instance of Task$/,
    ],
    ['a header of others', (add) => chord(['t'] as never, add), /^chord header\[0\] must be a signature, .*, got "t"$/],
    [
      'a body of others',
      (add) => chord([add], null as never),
      /^chord header and body\[1\] must be a signature, .*null$/,
    ],
    [
      'another app',
      (add) => chain(add, idle().signature('t')),
      /^chain\[1\] is of another app than what stands before it$/,
    ],
    ['a link of a group', (add) => group(add).link(add), /^a group has no one result/],
    ['a link of a group, as an option', (add) => group(add).set({ link: add }), /^a group has no one result/],
    [
      'an option that there is not',
      (add) => add.set({ prio: 1 } as TaskOptions),
      /^prio is not an option .* priority\?$/,
    ],
    [
      'a bad option of a group',
      (add) => group(add).set({ priority: 256 }),
      /^priority must be an integer from 0 to 255/,
    ],
    ['a bad link', (add) => add.set({ link: [add, 5 as never] }), /^link\[1\] must be a signature/],
    [
      'items that are none',
      () =>
        idle()
          .createTask('t')
          .map(5 as never),
      /^the items must be an array, got 5$/,
    ],
    [
      'arguments that are none',
      () =>
        idle()
          .createTask('t')
          .starmap([[1], 2] as never),
      /^items\[1\] must be an array of/,
    ],
    ['chunks of nothing', () => idle().createTask('t').chunks([], 0), /^the size of a chunk must be an integer of 1/],
  ])('of %s is refused where it is written', (_, write, message) => {
    const add = idle().createTask('tasks.add').s(1)

    expect(() => write(add)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }),
    )
  })

  test.each([[7], ['args'], [{}]])('with %j for arguments is refused', async (args) => {
    await expect(
      idle()
        .signature('t')
        .applyAsync(args as never),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_TASK',
      message: expect.stringMatching(/^args must be an array/),
    })
  })
})
