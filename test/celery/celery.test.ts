import { describe, expect, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import { createCelery } from '../../lib/celery/celery.ts'
import { createProducerPool } from '../../lib/pool/producer-pool.ts'
import { rabbitmqTest, uniqueName, useBroker } from '../support/broker.ts'
import { celeryTest, useCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, makePool, makeProxy, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('a real worker', () => {
  const worker = useCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })

  interface Answer {
    readonly task_id: string
    readonly status: string
    readonly result: unknown
  }

  /** Sends tasks of one name to the worker, and gives what it answers, in the order of the sending. */
  async function answers(
    name: string,
    calls: readonly { args?: unknown[]; kwargs?: Record<string, unknown>; options?: object }[],
  ): Promise<Answer[]> {
    const app = makeApp({ broker: broker.url })
    const replyTo = await queues.declare({ durable: false })
    const task = app.createTask(name, { queue: worker().queue, replyTo })
    const sent = await Promise.all(calls.map(({ args, kwargs, options }) => task.applyAsync(args, kwargs, options)))
    const got = (await queues.take(replyTo, calls.length)).map(contentOf) as unknown as Answer[]
    return sent.map(({ taskId }) => got.find(({ task_id }) => task_id === taskId) as Answer)
  }

  function etaOf(answer: Answer | undefined): number {
    return Date.parse((answer as { result: { eta: string } }).result.eta)
  }

  celeryTest('gets the arguments as they were given, whatever their kind', async () => {
    const args = [1, -2.5, 'text', true, null, [1, [2]], { deep: { er: [null] } }, '', 2 ** 53 - 1]
    const kwargs = { name: 'value', list: [1, 2], nothing: null, 'with space': {} }
    const [answer] = await answers('tasks.echo', [{ args, kwargs }])

    expect(answer).toMatchObject({ status: 'SUCCESS', result: { args, kwargs } })
  })

  celeryTest('gets unicode as it was given, in arguments and in their shown form', async () => {
    const args = ['é 漢字 🎉 \u0000 \u2028 "quoted" \\ \n']
    const kwargs = { größe: '🐘' }
    const [echo] = await answers('tasks.echo', [{ args, kwargs }])
    const [info] = await answers('tasks.request_info', [{ args: ['漢'], kwargs: { ü: '🎉' } }])

    expect(echo).toMatchObject({ result: { args, kwargs } })
    expect(info?.result).toMatchObject({ argsrepr: "('漢',)", kwargsrepr: "{'ü': '🎉'}" })
  })

  celeryTest('starts a task with a countdown when it has passed, and not before', async () => {
    const [soon, later] = [Date.now() + 400, new Date(Date.now() + 800)]
    const [counted, dated] = await answers('tasks.request_info', [
      { options: { countdown: 0.4 } },
      { options: { eta: later } },
    ])

    expect(Date.now()).toBeGreaterThan(later.getTime())
    expect(etaOf(counted)).toBeGreaterThanOrEqual(soon)
    expect(etaOf(counted)).toBeLessThan(Date.now())
    expect(etaOf(dated)).toBe(later.getTime())
  })

  celeryTest('drops a task that has expired, and runs one that has not', async () => {
    const [expired, alive] = await answers('tasks.request_info', [
      { options: { expires: new Date(Date.now() - 60_000), messageId: 'late' } },
      { options: { expires: 600 } },
    ])

    expect(expired).toMatchObject({ status: 'REVOKED' })
    expect(alive).toMatchObject({ status: 'SUCCESS', result: { expires: expect.any(String) } })
  })

  celeryTest('sees priority, time limits, shadow and the id', async () => {
    const taskId = uniqueName('task')
    const options = { taskId, priority: 7, timeLimit: 60, softTimeLimit: 50, shadow: 's' }
    const [answer] = await answers('tasks.request_info', [{ args: [1], kwargs: { a: 2 }, options }])

    expect(answer).toMatchObject({ task_id: taskId, status: 'SUCCESS' })
    expect(answer?.result).toMatchObject({
      id: taskId,
      root_id: taskId,
      correlation_id: taskId,
      task: 'tasks.request_info',
      args: [1],
      kwargs: { a: 2 },
      delivery_info: { exchange: '', routing_key: worker().queue, priority: 7 },
      timelimit: [60, 50],
      shadow: 's',
      lang: 'py',
      retries: 0,
    })
  })

  celeryTest('runs the tasks of one turn, each once', async () => {
    const numbers = Array.from({ length: 40 }, (_, n) => n)
    const results = await answers(
      'tasks.add',
      numbers.map((n) => ({ args: [n, n] })),
    )

    expect(results.map(({ result }) => result)).toEqual(numbers.map((n) => 2 * n))
  })
})

describe('sending', () => {
  test('delay resolves with the id once the broker has the task', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const { taskId } = await app.createTask<[number, number], number>('tasks.add', { queue }).delay(2, 3)

    const [message] = (await queues.take(queue, 1)) as [ConsumeMessage]
    expect(taskId).toMatch(UUID)
    expect(contentOf(message)).toEqual([[2, 3], {}, { callbacks: null, errbacks: null, chain: null, chord: null }])
    expect(message.properties).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: taskId,
      deliveryMode: 2,
      headers: { id: taskId, root_id: taskId, task: 'tasks.add', argsrepr: '(2, 3)', kwargsrepr: '{}' },
    })
  })

  test('applyAsync and sendTask send what delay sends', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const options = { queue, taskId: '2d1ea1b0-7c5c-4f7e-9a6e-0f4f6a3d8b11' }
    const task = app.createTask('tasks.add', options)
    await task.delay(2, 3)
    await task.applyAsync([2, 3])
    await app.sendTask('tasks.add', [2, 3], {}, options)

    const [first, ...others] = await queues.take(queue, 3)
    for (const message of others) {
      expect(message.content.equals(first?.content as Buffer)).toBe(true)
      expect(message.properties).toEqual(first?.properties)
    }
  })

  test('a call’s options are laid over the task’s', async () => {
    const app = makeApp({ broker: broker.url })
    const [queue, other] = [queues.name(), queues.name()]
    const task = app.createTask('tasks.add', { queue, priority: 3, headers: { a: 1, b: 1 } })
    await task.applyAsync([1], {}, { priority: 5, headers: { b: 2 } })
    await task.applyAsync([1], {}, { queue: other, priority: null })
    await task.delay(1)

    const [changed, plain] = (await queues.take(queue, 2)) as [ConsumeMessage, ConsumeMessage]
    expect(changed.properties).toMatchObject({ priority: 5, headers: { a: 1, b: 2 } })
    expect(plain.properties).toMatchObject({ priority: 3, headers: { a: 1, b: 1 } })
    const [moved] = (await queues.take(other, 1)) as [ConsumeMessage]
    expect(moved.properties.priority).not.toBe(3)
  })

  test('a task without a queue goes to taskDefaultQueue', async () => {
    const queue = queues.name()
    const app = makeApp({ broker: broker.url, taskDefaultQueue: queue })
    await app.sendTask('tasks.add', [1])

    expect(await queues.depth(queue)).toBe(1)
  })

  test('an exchange of the caller’s with a routing key is used, and no queue is declared', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = await queues.declare()
    await queues.channel.bindQueue(queue, 'amq.topic', queue)
    await app.sendTask('tasks.add', [1], {}, { exchange: 'amq.topic', routingKey: queue })

    expect(await queues.depth(queue)).toBe(1)
  })

  test('what a task links goes into the third element of the body, and a call’s takes the place of the task’s', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue, link: { task: 'tasks.log' }, linkError: { task: 'tasks.alarm' } })
    await task.delay(1)
    await task.applyAsync([2], {}, { link: null, chain: [{ task: 'tasks.last' }, { task: 'tasks.first', args: [1] }] })

    const [constant, changed] = (await queues.take(queue, 2)).map((message) => contentOf(message)[2])
    expect(constant).toMatchObject({
      callbacks: [{ task: 'tasks.log', args: [] }],
      errbacks: [{ task: 'tasks.alarm' }],
    })
    expect(changed).toMatchObject({ callbacks: null, errbacks: [{ task: 'tasks.alarm' }], chord: null })
    expect(changed).toMatchObject({ chain: [{ task: 'tasks.last' }, { task: 'tasks.first', args: [1], kwargs: {} }] })
  })

  test('an embed that JSON cannot carry is refused when the task is made, with its path', () => {
    const app = makeApp({ broker: broker.url })

    expect(() => app.createTask('tasks.add', { link: { task: 'tasks.log', args: [1n] } })).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_TASK',
        message: expect.stringMatching(/^callbacks\[0\]\.args\[0\] is a BigInt/),
      }),
    )
  })

  test('a serializer that nobody knows is refused by its name', async () => {
    const app = makeApp({ broker: broker.url })

    const error = await failureOf(app.sendTask('tasks.add', [], {}, { serializer: 'jsn' }))
    expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent' })
    expect(error.message).toBe('jsn is not a serializer; did you mean json?')
  })

  test('the id that the caller gives is kept', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const result = await app.sendTask('tasks.add', [], {}, { queue, taskId: 'order-17' })

    const [message] = (await queues.take(queue, 1)) as [ConsumeMessage]
    expect(result.taskId).toBe('order-17')
    expect(String(result)).toBe('order-17')
    expect(message.properties).toMatchObject({ correlationId: 'order-17', headers: { id: 'order-17' } })
  })

  test('delayMany sends each item, and tells each one’s outcome in its place', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    const outcomes = await task.delayMany([[[1, 2]], [[Number.NaN]], [[3], { y: 4 }]])

    expect(outcomes.map(({ status }) => status)).toEqual(['confirmed', 'rejected', 'confirmed'])
    expect(outcomes[1]).toMatchObject({ error: { code: 'ERR_INVALID_TASK', taskId: expect.stringMatching(UUID) } })
    const messages = await queues.take(queue, 2)
    expect(messages.map((message) => contentOf(message).slice(0, 2))).toEqual([
      [[1, 2], {}],
      [[3], { y: 4 }],
    ])
    expect(outcomes[0]).toMatchObject({ result: { taskId: messages[0]?.properties.correlationId } })
  })

  test('sendTasks sends tasks of many names, and tells each one’s outcome in its place', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const outcomes = await app.sendTasks([
      { name: 'tasks.add', args: [1], options: { queue } },
      { name: '', options: { queue } },
      { name: 'tasks.mul', kwargs: { x: 1 }, options: { queue } },
      { name: 'tasks.add', options: { queue: uniqueName('missing'), declare: false } },
    ])

    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? codeOf(outcome.error) : 'confirmed'))).toEqual([
      'confirmed',
      'ERR_INVALID_TASK',
      'confirmed',
      'ERR_UNROUTABLE',
    ])
    const messages = await queues.take(queue, 2)
    expect(messages.map(({ properties }) => properties.headers?.task)).toEqual(['tasks.add', 'tasks.mul'])
  })

  test.each([[[null]], [[undefined]], ['text'], [7], [[[7]]], [[{}]]])(
    'delayMany and sendTasks with %j do not throw: what is wrong is the outcome',
    async (items) => {
      const app = makeApp({ broker: broker.url })
      const outcome = (sending: () => Promise<unknown>) =>
        Promise.resolve()
          .then(sending)
          .then(
            (outcomes) => (outcomes as { error?: Error }[])[0]?.error,
            (error) => error,
          )
      const task = app.createTask('tasks.add', { queue: queues.name() })

      expect(await outcome(() => task.delayMany(items as never))).toMatchObject({ code: 'ERR_INVALID_TASK' })
      expect(await outcome(() => app.sendTasks(items as never))).toMatchObject({ code: 'ERR_INVALID_TASK' })
    },
  )

  test('ten thousand names and more can be sent by one app', async () => {
    const app = makeApp({ broker: broker.url, publishTimeoutMs: 60_000 })
    const queue = await queues.declare()
    await app.sendTask('tasks.first', [], {}, { queue })
    for (let n = 0; n < 12_000; n++) void app.sendTask(`tasks.${n}`, [], {}, { queue, declare: false })
    await app.pool.drain()

    expect(app.pool.stats()).toMatchObject({ confirms: 12_001, failures: 0, waiting: 0 })
  }, 60_000)
})

describe('a queue', () => {
  test('is declared by the first task, durable, and not again by those that follow', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    await Promise.all([task.delay(1), task.delay(2), app.sendTask('tasks.mul', [3], {}, { queue })])
    // As Celery declares it: these arguments are accepted for the queue that is there.
    await queues.channel.assertQueue(queue, { durable: true })
    expect(await queues.depth(queue)).toBe(3)

    await queues.delete(queue)
    await expect(task.delay(4)).rejects.toMatchObject({ code: 'ERR_UNROUTABLE' })
  })

  test('that was deleted costs one error, which can be tried again, and is then declared again', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    await task.delay(1)
    await queues.delete(queue)

    const error = await failureOf(task.delay(2))
    expect(error).toMatchObject({ code: 'ERR_UNROUTABLE', retryable: true, outcome: 'refused' })
    expect(error.taskId).toMatch(UUID)
    expect(error.message).toContain(queue)
    await task.delay(3)
    expect(await queues.depth(queue)).toBe(1)
  })

  test('that was deleted is declared again for every app of a pool', async () => {
    const pool = makePool({ broker: broker.url })
    const queue = queues.name()
    const tasks = [createCelery({ pool }), createCelery({ pool })].map((app) => app.createTask('tasks.add', { queue }))
    for (const task of tasks) await task.delay(1)
    await queues.delete(queue)

    for (const task of tasks) {
      await task.delay(2).catch(() => task.delay(3))
    }
    expect(await queues.depth(queue)).toBe(2)
  })

  test('that is gone with its connection is declared again after the reconnect', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    await task.delay(1)
    await queues.delete(queue)
    proxy.reset()
    await until(() => app.pool.stats().connections === 0)

    await task.delay(2)
    expect(await queues.depth(queue)).toBe(1)
  })

  rabbitmqTest('that exists with other arguments is used as it is, after one warning', async () => {
    const logger = new RecordedLog()
    const app = makeApp({ broker: broker.url, logger, name: 'billing' })
    const queue = await queues.declare({ durable: true, arguments: { 'x-max-priority': 10 } })
    const task = app.createTask('tasks.add', { queue })
    await Promise.all([task.delay(1), task.delay(2)])
    await task.applyAsync([3], {}, { priority: 9 })

    expect(await queues.depth(queue)).toBe(3)
    const [first] = await queues.take(queue, 1)
    expect(first?.properties.priority).toBe(9)
    const warnings = logger.of('pool.warning')
    expect(warnings).toEqual([expect.objectContaining({ level: 'warn', pool: 'billing' })])
    expect(warnings[0]?.reason).toMatch(/PRECONDITION_FAILED/)
    expect(warnings[0]?.reason).toContain(queue)
  })

  rabbitmqTest('that the broker refuses after a reconnect costs its channel, and not the connection', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    await task.delay(1)
    await queues.delete(queue)
    await queues.declare({ durable: false }, queue)
    proxy.reset()
    await until(() => app.pool.stats().connections === 0)
    await task.delay(2)

    expect(proxy.connections).toBe(2)
    expect(await queues.depth(queue)).toBe(1)
  })

  test('that is not declared, by wish, is the broker’s business', async () => {
    const app = makeApp({ broker: broker.url })
    const missing = uniqueName('missing')
    const error = await failureOf(app.sendTask('tasks.add', [], {}, { queue: missing, declare: false }))
    const result = await app.sendTask('tasks.add', [], {}, { queue: missing, declare: false, mandatory: false })

    expect(error).toMatchObject({ code: 'ERR_UNROUTABLE', retryable: false })
    expect(result.taskId).toMatch(UUID)
  })

  test('its declaration takes nothing from the messages that are on their way', async () => {
    const app = makeApp({ broker: broker.url, maxChannels: 1 })
    const [queue, taken] = [queues.name(), await queues.declare({ durable: false })]
    // The broker refuses the second queue's declaration by closing the channel that carries the others' messages.
    const sent = [
      ...Array.from({ length: 50 }, (_, n) => app.sendTask('tasks.add', [n], {}, { queue })),
      ...Array.from({ length: 50 }, (_, n) => app.sendTask('tasks.add', [n], {}, { queue: taken })),
    ]
    await Promise.all(sent)

    expect(app.pool.stats()).toMatchObject({ confirms: 100, failures: 0 })
    expect(await queues.depth(taken)).toBe(50)
  })
})

describe('the option producer', () => {
  test('sends over that lease, which stays leased', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const producer = await app.pool.acquire()
    await app.sendTask('tasks.add', [1], {}, { queue, producer })
    await app.createTask('tasks.add', { queue }).applyAsync([2], {}, { producer })

    expect(producer.isReleased).toBe(false)
    expect(producer.publishes).toBe(2)
    producer.release()
    expect(await queues.depth(queue)).toBe(2)
  })

  test('needs no second channel, not even for the first task of a queue', async () => {
    const app = makeApp({ broker: broker.url, maxChannels: 1, publishTimeoutMs: 30_000 })
    const queue = queues.name()
    await app.pool.use((producer) => app.sendTask('tasks.add', [1], {}, { queue, producer }))

    expect(await queues.depth(queue)).toBe(1)
    expect(app.pool.stats()).toMatchObject({ channelsOpened: 1, leases: 1 })
  })

  test('sends a task whose queue exists with other arguments, though that costs the lease its channel', async () => {
    const app = makeApp({ broker: broker.url, maxChannels: 1, publishTimeoutMs: 30_000 })
    const queue = await queues.declare({ durable: false })
    await app.pool.use(async (producer) => {
      await app.sendTask('tasks.add', [1], {}, { queue, producer })
      await app.sendTask('tasks.add', [2], {}, { queue, producer })
    })

    const messages = await queues.take(queue, 2)
    expect(messages.map((message) => contentOf(message)[0])).toEqual([[1], [2]])
    expect(app.pool.stats()).toMatchObject({ confirms: 2, failures: 0, leased: 0 })
  })

  test('sends a task whose queue was being declared when the connection was lost', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url, maxChannels: 1 })
    const queue = queues.name()
    const producer = await app.pool.acquire()
    await proxy.set('black-hole')
    const sending = app.sendTask('tasks.add', [1], {}, { queue, producer })
    await until(() => app.pool.stats().waiting === 1)
    proxy.reset()
    await proxy.set('pass')
    await sending
    producer.release()

    expect(await queues.depth(queue)).toBe(1)
  })

  test('released before its queue is declared still sends', async () => {
    const app = makeApp({ broker: broker.url })
    const queue = queues.name()
    const producer = await app.pool.acquire()
    const sending = app.sendTask('tasks.add', [1], {}, { queue, producer })
    producer.release()
    await sending

    expect(await queues.depth(queue)).toBe(1)
  })

  test('keeps the order of the lease, though the queues of some have still to be declared', async () => {
    const app = makeApp({ broker: broker.url })
    const [queue, first, second] = [await queues.declare(), queues.name(), queues.name()]
    const exchange = { name: uniqueName('order'), type: 'fanout', autoDelete: true }
    await queues.channel.assertExchange(exchange.name, exchange.type, { autoDelete: true })
    await queues.channel.bindQueue(queue, exchange.name, '')
    const to = (name: string) => ({ queue: { name, exchange } })
    const producer = await app.pool.acquire()
    const sending = [
      producer.publish({ exchange: exchange.name, routingKey: '', body: '[0]' }),
      app.sendTask('t', [1], {}, { ...to(first), producer }),
      producer.publish({ exchange: exchange.name, routingKey: '', body: '[2]' }),
      app.sendTask('t', [3], {}, { ...to(second), producer }),
      app.sendTask('t', [4], {}, { ...to(first), producer }),
      producer.publish({ exchange: exchange.name, routingKey: '', body: '[5]' }),
    ]
    await Promise.all(sending)
    producer.release()

    const bodies = (await queues.bodies(queue)).map((body) => JSON.parse(body)[0])
    expect(bodies.flat()).toEqual([0, 1, 2, 3, 4, 5])
  })

  test("with another pool's lease is ERR_NOT_LEASED, and later tasks are sent as ever", async () => {
    const [app, other] = [makeApp({ broker: broker.url }), makePool({ broker: broker.url })]
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    const error = await failureOf(other.use((producer) => task.applyAsync([1], {}, { producer })))
    await task.delay(2)

    expect(error).toMatchObject({ code: 'ERR_NOT_LEASED', outcome: 'not-sent' })
    expect(await queues.depth(queue)).toBe(1)
  })

  test('with a released lease is ERR_PRODUCER_RELEASED, logged and counted', async () => {
    const logger = new RecordedLog()
    const app = makeApp({ broker: broker.url, logger })
    const producer = await app.pool.acquire()
    producer.release()

    const error = await failureOf(app.sendTask('tasks.add', [1], {}, { queue: queues.name(), producer }))
    expect(error).toMatchObject({ code: 'ERR_PRODUCER_RELEASED', outcome: 'not-sent', taskId: expect.any(String) })
    expect(app.pool.stats().failures).toBe(1)
    expect(logger.of('publish.fail')).toHaveLength(1)
  })

  test('with something else is ERR_INVALID_TASK', async () => {
    const app = makeApp({ broker: broker.url })

    const error = await failureOf(app.sendTask('tasks.add', [1], {}, { producer: {} as never }))
    expect(error).toMatchObject({ code: 'ERR_INVALID_TASK' })
    expect(error.message).toMatch(/producer/)
  })
})

describe('limits', () => {
  test('timeoutMs bounds a task that waits for the broker, the declaration included', async () => {
    const logger = new RecordedLog()
    // The test would be over before the time of the pool.
    const app = makeApp({ broker: NOWHERE, logger, publishTimeoutMs: 120_000 })

    const error = await failureOf(app.sendTask('tasks.add', [1], {}, { timeoutMs: 150, taskId: 'late' }))
    expect(error).toMatchObject({
      code: 'ERR_BROKER_UNAVAILABLE',
      outcome: 'not-sent',
      retryable: true,
      taskId: 'late',
    })
    expect(error.message).toMatch(/ECONNREFUSED/)
    expect(app.pool.stats()).toMatchObject({ publishes: 1, failures: 1, waiting: 0, bufferedBytes: 0 })
    expect(logger.of('publish.fail')).toEqual([
      expect.objectContaining({ taskId: 'late', task: 'tasks.add', code: 'ERR_BROKER_UNAVAILABLE' }),
    ])
  })

  test('a signal ends a task that waits for the broker, the declaration included', async () => {
    const app = makeApp({ broker: NOWHERE })
    const controller = new AbortController()
    const sending = app.sendTask('tasks.add', [1], {}, { signal: controller.signal })
    controller.abort()

    await expect(sending).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      outcome: 'not-sent',
      taskId: expect.any(String),
    })
    await expect(app.sendTask('tasks.add', [1], {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    })
    expect(app.pool.stats()).toMatchObject({ waiting: 0, failures: 2 })
  })

  test('tasks that wait for their queue count against maxWaiting and maxBufferedBytes', async () => {
    const app = makeApp({ broker: NOWHERE, maxWaiting: 2 })
    const task = app.createTask('tasks.add', { queue: queues.name() })
    const waiting = [task.delay(1), task.delay(2)].map(failureOf)

    await expect(task.delay(3)).rejects.toMatchObject({ code: 'ERR_POOL_EXHAUSTED', outcome: 'not-sent' })
    expect(app.pool.stats()).toMatchObject({ waiting: 2, publishes: 3 })
    expect(app.pool.stats().bufferedBytes).toBeGreaterThan(100)
    await app.close({ timeoutMs: 50 })
    await Promise.all(waiting)
  })

  test('tasks that wait for their queue are sent when the broker comes', async () => {
    const proxy = await makeProxy(broker.url)
    await proxy.set('refuse')
    const app = makeApp({ broker: proxy.url })
    const queue = queues.name()
    const task = app.createTask('tasks.add', { queue })
    const sending = Array.from({ length: 20 }, (_, n) => task.delay(n))
    await proxy.set('pass')
    await Promise.all(sending)

    const messages = await queues.take(queue, 20)
    expect(messages.map((message) => contentOf(message)[0])).toEqual(Array.from({ length: 20 }, (_, n) => [n]))
  })

  rabbitmqTest('a refused connection rejects a task that waits for its queue at once', async () => {
    // The test would be over before the time of a publish.
    const options = { credentials: { username: 'guest', password: 'wrong' }, publishTimeoutMs: 120_000 }
    const app = makeApp({ broker: broker.url, ...options })

    await expect(app.sendTask('tasks.add', [1])).rejects.toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  })
})

describe('close', () => {
  test('sends the first task of a script that closes at once', async () => {
    const app = createCelery({ broker: broker.url, logger: false })
    const queue = queues.name()
    const sending = app.createTask('tasks.add', { queue }).delay(1, 2)
    await app.close()
    await sending

    expect(await queues.depth(queue)).toBe(1)
    expect(app.pool.state).toBe('closed')
    await expect(app.sendTask('tasks.add', [1])).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent' })
  })

  test('while the broker is away rejects the tasks that wait, and reports their ids', async () => {
    const app = makeApp({ broker: NOWHERE })
    const sending = failureOf(app.sendTask('tasks.add', [1], {}, { taskId: 'kept' }))

    expect(await app.pool.close({ timeoutMs: 50 })).toEqual({ confirmed: 0, unknown: [], notSent: ['kept'] })
    expect(await sending).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent', taskId: 'kept' })
  })

  test('leaves a pool open that the app was given', async () => {
    const pool = createProducerPool({ broker: broker.url, logger: false })
    afterTest(() => pool.close())
    const app = createCelery({ pool })
    await app.close()

    expect(app.pool).toBe(pool)
    await pool.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
    expect(pool.state).toBe('open')
  })

  test('happens by itself at the end of a block with await using', async () => {
    let pool = makePool({ broker: broker.url })
    {
      await using app = createCelery({ broker: broker.url, logger: false })
      pool = app.pool
    }

    expect(pool.state).toBe('closed')
  })
})

test.each([
  [7, /options must be an object/],
  [{ pool: {} }, /pool must be a ProducerPool/],
  [{ taskDefaultQueue: '' }, /taskDefaultQueue/],
  [{ taskDefaultQueue: 'q'.repeat(256) }, /taskDefaultQueue/],
  [{ maxChannel: 3 }, /maxChannel/],
  [{ taskProtocol: 3 }, /^taskProtocol must be 2 or 1, got 3$/],
  [{ taskSerializer: 'pickle' }, /^pickle is not offered/],
  [{ taskSerializer: 'xml' }, /^xml is not a serializer; known are json/],
  [{ taskCompression: 'bzip2' }, /^bzip2: this Node has no bzip2; there are gzip/],
  [{ taskDefaultPriority: 256 }, /^taskDefaultPriority must be an integer from 0 to 255, got 256$/],
  [{ taskDefaultDeliveryMode: 3 }, /^taskDefaultDeliveryMode must be/],
  [{ taskTimeLimit: 1, taskSoftTimeLimit: 2 }, /^taskSoftTimeLimit \(2\) must not be above taskTimeLimit \(1\)$/],
  [{ taskPublishRetry: 'no' }, /^taskPublishRetry must be true or false, got "no"$/],
  [{ taskPublishRetryPolicy: { retries: 1 } }, /^taskPublishRetryPolicy\.retries is not known/],
  [{ jsonTypes: 1 }, /^jsonTypes must be false or true, got 1$/],
  [{ serializers: { own: {} } }, /^serializers\.own needs a contentType/],
  [{ serializers: { own: { contentType: 'a/b' } } }, /^serializers\.own needs a function encode/],
  [
    { serializers: { own: { contentType: 'application/data', encode: () => '' } } },
    /^serializers\.own contentType must not be application\/data, which kombu does not read/,
  ],
  [
    { serializers: { own: { contentType: 'application/text', encode: () => '' } } },
    /^serializers\.own contentType must not be application\/text/,
  ],
  [{ serializers: [] }, /^serializers must be a plain object, got an array of 0$/],
  [{ compressors: { own: { contentType: 'a/b' } } }, /^compressors\.own needs a function compress/],
  [{ broker: 'http://127.0.0.1' }, /amqp/],
])('createCelery(%j) is ERR_INVALID_OPTION', (options, text) => {
  expect(() => createCelery(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(text) }),
  )
})

test('createCelery with a pool and options of a pool is ERR_INVALID_OPTION', () => {
  const pool = makePool({ broker: broker.url })

  expect(() => createCelery({ pool, maxChannels: 3 })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(/maxChannels/) }),
  )
})

test('what is wrong with a task is counted and logged like a publish that failed', async () => {
  const logger = new RecordedLog()
  const app = makeApp({ broker: broker.url, logger })
  const task = app.createTask('tasks.add')
  const bad = [
    task.delay(undefined),
    task.applyAsync('12' as never),
    task.applyAsync([], { n: 1n }),
    task.applyAsync([], {}, { queue: 7 as never }),
    app.sendTask(' tasks.add', []),
    app.sendTask('tasks.add', [], {}, { countdown: 'soon' as never }),
  ]
  const errors = await Promise.all(bad.map(failureOf))

  for (const error of errors) expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', retryable: false })
  expect(app.pool.stats()).toMatchObject({ publishes: 6, failures: 6, confirms: 0 })
  expect(logger.of('publish.fail')).toHaveLength(6)
  expect(logger.of('publish.fail')[0]).toMatchObject({ level: 'error', task: 'tasks.add', outcome: 'not-sent' })
})

function contentOf(message: ConsumeMessage): unknown[] {
  return JSON.parse(message.content.toString())
}

function codeOf(error: Error): unknown {
  return (error as { code?: unknown }).code
}

test.each([null, 7, {}])('a pool that is %j is ERR_INVALID_OPTION', (pool) => {
  expect(() => createCelery({ pool: pool as never })).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringMatching(/^pool must be a ProducerPool/),
    }),
  )
})

test('tasks cannot run in this process and go through a pool that is given', () => {
  const pool = makePool({ broker: NOWHERE })
  const text = 'taskAlwaysEager sends no task, and a pool is given to send them'

  expect(() => createCelery({ pool, taskAlwaysEager: true })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: text }),
  )
  expect(createCelery({ pool, taskAlwaysEager: false }).pool).toBe(pool)
})

test('options that are undefined stand beside a pool', () => {
  const pool = makePool({ broker: NOWHERE })

  expect(createCelery({ pool, logger: undefined } as never).pool).toBe(pool)
})
