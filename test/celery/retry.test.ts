import { describe, expect, test } from '@jest/globals'
import type { TaskOptions } from '../../lib/celery/options/task-option-values.ts'
import { useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, makeProxy, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** Sends a task whose message arrives while its confirm is lost with the connection. */
async function sentWithLostConfirm(options: TaskOptions, appOptions: object = {}) {
  const proxy = await makeProxy(broker.url)
  const app = makeApp({ broker: proxy.url, ...appOptions })
  const queue = queues.name()
  const task = app.createTask('tasks.echo', { queue })
  await task.delay(0)
  await proxy.set('black-hole-down')
  const sending = task.applyAsync([1], {}, options).then(
    () => undefined,
    (error) => error as Error,
  )
  await until(async () => (await queues.depth(queue)) === 2)
  await proxy.set('pass')
  proxy.reset()
  return { app, queue, error: await sending }
}

describe('a task whose confirm is lost', () => {
  test('is sent again, by default', async () => {
    const { app, queue, error } = await sentWithLostConfirm({})

    expect(error).toBeUndefined()
    expect(await queues.depth(queue)).toBe(3)
    expect(app.pool.stats()).toMatchObject({ retries: 1, failures: 0 })
  })

  test('is written once with retry: false, and its error says that nobody knows', async () => {
    const { app, queue, error } = await sentWithLostConfirm({ retry: false, taskId: 'once' })

    expect(error).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown', retryable: true, taskId: 'once' })
    expect(error?.message).toMatch(/\(written once, and not again by wish\)$/)
    expect(await queues.depth(queue)).toBe(2)
    expect(app.pool.stats()).toMatchObject({ retries: 0, failures: 1 })
  })

  test('is written once where the app says taskPublishRetry: false, unless its call says otherwise', async () => {
    const never = await sentWithLostConfirm({}, { taskPublishRetry: false })
    const always = await sentWithLostConfirm({ retry: true }, { taskPublishRetry: false })

    expect(never.error).toMatchObject({ outcome: 'unknown' })
    expect(always.error).toBeUndefined()
  })

  test('is sent again after the pause of its policy', async () => {
    const startedAt = performance.now()
    const { queue, error } = await sentWithLostConfirm({ retryPolicy: { maxRetries: 1, intervalStart: 0.3 } })

    expect(error).toBeUndefined()
    expect(performance.now() - startedAt).toBeGreaterThan(300)
    expect(await queues.depth(queue)).toBe(3)
  })

  test('is written once where maxRetries is 0', async () => {
    const { error } = await sentWithLostConfirm({ retryPolicy: { maxRetries: 0 } })

    expect(error).toMatchObject({ outcome: 'unknown' })
  })
})

test('tasks that a lost connection leaves open keep their order, after the pause of a policy too', async () => {
  const proxy = await makeProxy(broker.url)
  const app = makeApp({ broker: proxy.url })
  const queue = await queues.declare()
  const task = app.createTask('tasks.echo', { queue, declare: false, retryPolicy: { intervalStart: 0.2 } })
  const numbers = Array.from({ length: 12 }, (_, n) => n)
  await app.pool.ready()
  await proxy.set('black-hole')
  const sending = Promise.all(numbers.map((n) => task.delay(n)))
  await until(() => app.pool.stats().inFlight === numbers.length)
  await proxy.set('pass')
  proxy.reset()
  await sending

  expect((await queues.bodies(queue)).map((body) => JSON.parse(body)[0][0])).toEqual(numbers)
})

test('a message that was never written waits for the broker, with retry: false too', async () => {
  const app = makeApp({ broker: NOWHERE })
  const error = await failureOf(app.sendTask('tasks.add', [], {}, { retry: false, timeoutMs: 200 }))

  expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', outcome: 'not-sent' })
})

test('a nack is final with retry: false', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = await queues.declare({
    durable: true,
    arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
  })
  const task = app.createTask('tasks.add', { queue, declare: false, retry: false })
  await task.delay(1)

  expect(await failureOf(task.delay(2))).toMatchObject({ code: 'ERR_NACKED', outcome: 'refused' })
  expect(app.pool.stats()).toMatchObject({ retries: 0 })
})
