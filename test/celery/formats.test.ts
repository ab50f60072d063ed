import { describe, expect, test } from '@jest/globals'
import type { CeleryOptions } from '../../lib/celery/celery-options.ts'
import type { TaskOptions } from '../../lib/celery/options/task-option-values.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, useCeleryWorker } from '../support/celery-worker.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe('a real worker', () => {
  const worker = useCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })

  /** What the worker's task gives back. */
  async function resultOf(
    name: string,
    args: unknown[],
    {
      app: appOptions = {},
      kwargs = {},
      options = {},
    }: { app?: CeleryOptions; kwargs?: object; options?: TaskOptions },
  ): Promise<unknown> {
    const app = makeApp({ broker: broker.url, ...appOptions })
    const replyTo = await queues.declare({ durable: false })
    await app.sendTask(name, args, kwargs as Record<string, unknown>, { queue: worker().queue, replyTo, ...options })
    const [answer] = await queues.take(replyTo, 1)
    return JSON.parse(answer?.content.toString() as string).result
  }

  const ARGS = [1, -2.5, 'é 漢 🎉', true, null, [1, [2]], { deep: { er: [null] } }]
  const KWARGS = { größe: '🐘' }

  for (const options of [
    { serializer: 'yaml' },
    { serializer: 'msgpack' },
    { compression: 'gzip' },
    { compression: 'zlib', serializer: 'yaml' },
    { compression: 'gzip', serializer: 'msgpack' },
  ]) {
    celeryTest(`reads ${Object.values(options).join(' and ')}`, async () => {
      expect(await resultOf('tasks.echo', ARGS, { kwargs: KWARGS, options })).toEqual({ args: ARGS, kwargs: KWARGS })
    })
  }

  celeryTest('gets binary data and dates as its own types', async () => {
    const args = [Buffer.from([0, 255])]
    const date = new Date('2026-11-22T05:02:44Z')

    expect(await resultOf('tasks.spell', args, { options: { serializer: 'msgpack' } })).toBe("((b'\\x00\\xff',), {})")
    expect(await resultOf('tasks.spell', [...args, date], { app: { taskSerializer: 'yaml' } })).toBe(
      "((b'\\x00\\xff', datetime.datetime(2026, 11, 22, 5, 2, 44, tzinfo=datetime.timezone.utc)), {})",
    )
  })

  celeryTest('starts what a yaml task links, with its result', async () => {
    const replyTo = await queues.declare({ durable: false })
    const link = {
      task: 'tasks.mul',
      args: [7],
      options: { queue: worker().queue, reply_to: replyTo, task_id: 'linked' },
    }
    await resultOf('tasks.add', [2, 3], { options: { serializer: 'yaml', link } })

    const [answer] = await queues.take(replyTo, 1)
    expect(JSON.parse(answer?.content.toString() as string)).toMatchObject({ task_id: 'linked', result: 35 })
  })

  celeryTest('takes a task in protocol v1, with all that v1 has a word for', async () => {
    const link = { task: 'tasks.log', options: {} }
    const options = { timeLimit: 60, softTimeLimit: 50, groupId: 'g', retries: 2, priority: 3, expires: 600, link }
    const info = await resultOf('tasks.request_info', [1], { app: { taskProtocol: 1 }, kwargs: { a: 2 }, options })

    expect(info).toMatchObject({
      task: 'tasks.request_info',
      args: [1],
      kwargs: { a: 2 },
      timelimit: [60, 50],
      group: 'g',
      retries: 2,
      expires: expect.stringMatching(/\+00:00$/),
      callbacks: [{ task: 'tasks.log' }],
      delivery_info: { priority: 3 },
    })
  })

  celeryTest('takes protocol v1 in yaml and compressed', async () => {
    const app = { taskProtocol: 1, taskSerializer: 'yaml', taskCompression: 'gzip' } as const

    expect(await resultOf('tasks.echo', ARGS, { app })).toEqual({ args: ARGS, kwargs: {} })
  })

  celeryTest('runs a task with stamps, which one before 5.3 ignores', async () => {
    const options = { stamps: { tenant: 'acme', tries: [1, 2] }, replacedTaskNesting: 1 }

    expect(await resultOf('tasks.add', [2, 3], { options })).toBe(5)
  })

  celeryTest('waits in protocol v1 for the countdown', async () => {
    const soon = Date.now() + 400
    const info = await resultOf('tasks.request_info', [], { app: { taskProtocol: 1 }, options: { countdown: 0.4 } })

    const eta = Date.parse((info as { eta: string }).eta)
    expect(eta).toBeGreaterThanOrEqual(soon)
    expect(eta).toBeLessThanOrEqual(Date.now())
  })
})

test('what an app says of its tasks holds for those that say nothing else', async () => {
  const queue = queues.name()
  const app = makeApp({
    broker: broker.url,
    taskDefaultQueue: queue,
    taskDefaultPriority: 4,
    taskDefaultDeliveryMode: 'transient',
    taskIgnoreResult: true,
    taskTimeLimit: 30,
    taskSoftTimeLimit: 20,
    taskCompression: 'gzip',
  })
  await app.sendTask('tasks.add')
  await app.createTask('tasks.add').delay()
  await app.createTask('tasks.add', { priority: 5, timeLimit: 90, ignoreResult: false }).delay()

  const [plain, made, other] = (await queues.take(queue, 3)).map(({ properties }) => properties)
  expect(plain).toMatchObject({ priority: 4, deliveryMode: 1, headers: { ignore_result: true, timelimit: [30, 20] } })
  expect(made).toMatchObject({ priority: 4, deliveryMode: 1, headers: { ignore_result: true, timelimit: [30, 20] } })
  expect(plain?.headers?.compression).toBe('application/x-gzip')
  expect(other).toMatchObject({ priority: 5, headers: { ignore_result: false, timelimit: [90, 20] } })
})

test.each([
  [{ shadow: 's' }, /^shadow has no place in protocol v1/],
  [{ chain: [{ task: 'a' }] }, /^chain has no place in protocol v1/],
  [{ stamps: { a: 1 } }, /^stamps has no place in protocol v1/],
  [{ ignoreResult: true }, /^ignoreResult has no place in protocol v1/],
])('protocol v1 refuses %j rather than lose it', async (options, message) => {
  const app = makeApp({ broker: broker.url, taskProtocol: 1 })

  const error = await failureOf(app.sendTask('tasks.add', [], {}, options as TaskOptions))
  expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent' })
  expect(error.message).toMatch(message)
})

test('a task of protocol v1 is known by its id when it fails', async () => {
  const app = makeApp({ broker: broker.url, taskProtocol: 1 })
  const options = { queue: queues.name(), declare: false }
  const [made, own] = await Promise.all([
    failureOf(app.sendTask('tasks.add', [], {}, options)),
    failureOf(app.sendTask('tasks.add', [], {}, { ...options, taskId: 'mine' })),
  ])

  expect(made).toMatchObject({ code: 'ERR_UNROUTABLE', taskId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  expect(own).toMatchObject({ code: 'ERR_UNROUTABLE', taskId: 'mine' })
})
