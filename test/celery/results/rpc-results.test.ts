import { expect, test } from '@jest/globals'
import { createCelery } from '../../../lib/celery/celery.ts'
import { rabbitmqNodeTest, useBroker } from '../../support/broker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { until } from '../../support/condition.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp, makePool, makeProxy } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'
import { startScript } from '../../support/script.ts'
import { answerProperties, puppetWorker } from './answers.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const RPC = { broker: broker.url, backend: 'rpc://' } as const
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('every task carries the queue of the app, which is there and consumed from', async () => {
  const app = makeApp(RPC)
  const queue = queues.name()
  const task = app.createTask('tasks.add', { queue })
  await Promise.all([task.delay(), task.applyAsync([], {}, { priority: 3 }), app.sendTask('t', [], {}, { queue })])
  const replyTos = (await queues.take(queue, 3)).map(({ properties }) => properties.replyTo)
  const [replyTo] = replyTos

  expect(replyTo).toMatch(UUID)
  expect(new Set(replyTos).size).toBe(1)
  await until(async () => (await queues.channel.checkQueue(replyTo)).consumerCount === 1)
})

test('a task that ignores its result, or has a queue of its own for it, does not carry the app’s', async () => {
  const app = makeApp(RPC)
  const queue = queues.name()
  const task = app.createTask('tasks.add', { queue })
  await task.applyAsync([], {}, { ignoreResult: true })
  const elsewhere = await task.applyAsync([], {}, { replyTo: 'mine' })
  const messages = await queues.take(queue, 2)

  expect(messages.map(({ properties }) => properties.replyTo)).toEqual([undefined, 'mine'])
  expect(await failureOf(elsewhere.get())).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining('replyTo'),
  })
})

test('without a backend no queue is made, and asking for a result says at once what to do', async () => {
  const app = makeApp({ broker: broker.url })
  const queue = queues.name()
  const result = await app.sendTask('tasks.add', [], {}, { queue })
  const [message] = await queues.take(queue, 1)

  expect(message?.properties.replyTo).toBeUndefined()
  const error = await failureOf(result.get())
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', taskId: result.taskId, retryable: false })
  expect(error.message).toContain("backend: 'rpc://'")
  expect(await failureOf(result.refresh())).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  expect(await failureOf(result.progress().next())).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  expect(result.state).toBe('PENDING')
  expect(app.pool.stats().connections).toBe(1)
})

test('a backend that there is not, and bounds that are none, are refused', () => {
  for (const [name, value] of [
    ['backend', 'amqp://'],
    ['backend', 5],
    ['resultExpires', 0],
    ['resultTimeoutMs', -1],
    ['maxKeptResults', 1.5],
    ['maxResultBytes', '1'],
  ]) {
    const make = () => createCelery({ ...RPC, [name as string]: value })
    expect(make).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(name as string) }),
    )
  }
})

test('a result that comes before it is asked for is kept, and one object after the other can tell of it', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  worker.answer({ taskId: 'a', result: 5 })
  worker.answer({ taskId: 'b', status: 'STARTED', result: { pid: 7 } })
  await until(() => app.resultStats().kept === 2)
  const [a, b] = [app.asyncResult('a'), app.asyncResult('b')]

  expect([a.state, a.result, a.ready()]).toEqual(['SUCCESS', 5, true])
  expect([b.state, b.info, b.result, b.ready()]).toEqual(['STARTED', { pid: 7 }, undefined, false])
  expect(await a.refresh()).toBe('SUCCESS')
  expect(await a.get()).toBe(5)
  expect(app.resultStats()).toMatchObject({ kept: 1, waiting: 0, received: 2 })
  await b.forget()
  expect(app.resultStats()).toMatchObject({ kept: 0, keptBytes: 0 })
  expect(b.state).toBe('STARTED')
})

test('all who wait for one task get its result', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  const waits = Promise.all([1, 2, 3].map(() => app.asyncResult('a').get()))
  worker.answer({ taskId: 'a', status: 'RETRY' })
  worker.answer({ taskId: 'a', result: [1] })

  expect(await waits).toEqual([[1], [1], [1]])
  expect(app.resultStats()).toMatchObject({ kept: 0, waiting: 0, received: 2 })
})

test('a wait ends at its deadline, or by its signal, and leaves nothing behind', async () => {
  const app = makeApp({ ...RPC, resultTimeoutMs: 30 })
  const result = app.asyncResult('never')
  const aborting = new AbortController()
  const aborted = failureOf(result.get({ timeoutMs: 60_000, signal: aborting.signal }))
  setImmediate(() => aborting.abort(new Error('enough')))

  const error = await failureOf(result.get())
  expect(error).toMatchObject({ code: 'ERR_RESULT_TIMEOUT', retryable: true, taskId: 'never' })
  expect(error.message).toMatch(/^no result of task never in 30 ms/)
  expect(await failureOf(result.get({ timeoutMs: 40 }))).toMatchObject({ code: 'ERR_RESULT_TIMEOUT' })
  expect(await aborted).toMatchObject({ code: 'ERR_ABORTED', cause: expect.objectContaining({ message: 'enough' }) })
  expect(await failureOf(result.get({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'ERR_ABORTED' })
  expect(await failureOf(result.progress({ timeoutMs: 10 }).next())).toMatchObject({ code: 'ERR_RESULT_TIMEOUT' })
  for (const options of [{ timeoutMs: 0 }, { timeout: 5 }, 5]) {
    expect(await failureOf(result.get(options as object))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  }
  expect(app.resultStats()).toMatchObject({ waiting: 0, kept: 0 })
})

test('a result that comes after the wait for it was given up can still be had', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  const result = app.asyncResult<number>('late')
  await failureOf(result.get({ timeoutMs: 10 }))
  worker.answer({ taskId: 'late', result: 1 })

  expect(await result.get()).toBe(1)
})

test('a loop over the progress that is left early leaves nothing behind', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  worker.answer({ taskId: 'a', status: 'STARTED' })
  for await (const { state } of app.asyncResult('a').progress()) {
    expect(state).toBe('STARTED')
    break
  }

  expect(app.resultStats()).toMatchObject({ waiting: 0, kept: 0 })
})

test('no more results are kept than maxKeptResults, and none longer than resultExpires', async () => {
  const app = makeApp({ ...RPC, maxKeptResults: 3, resultExpires: 2 })
  const worker = await puppetWorker(app, queues)
  for (const taskId of ['1', '2', '3', '4', '5']) worker.answer({ taskId, result: taskId })
  await until(() => app.resultStats().received === 5)

  expect(app.resultStats()).toMatchObject({ kept: 3, evicted: 2 })
  expect(['1', '2', '3', '4', '5'].map((id) => app.asyncResult(id).state)).toEqual([
    'PENDING',
    'PENDING',
    'SUCCESS',
    'SUCCESS',
    'SUCCESS',
  ])
  await until(() => app.resultStats().kept === 0)
  expect(app.resultStats()).toMatchObject({ keptBytes: 0, evicted: 5 })
})

test('what is no result is dropped and counted, and harms nothing', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  const json = { contentType: 'application/json' }
  for (const body of [
    '',
    '{',
    'null',
    '[]',
    '5',
    '{"task_id":1,"status":"SUCCESS"}',
    '{"task_id":"x"}',
    '{"status":"SUCCESS"}',
  ]) {
    worker.send(body, json)
  }
  worker.send('{"task_id":"x","status":"SUCCESS"}', {})
  worker.answer({ taskId: 'good', result: 1 })

  expect(await app.asyncResult('good').get()).toBe(1)
  expect(app.resultStats()).toMatchObject({ dropped: 9, received: 1, kept: 0 })
})

test('a result that cannot be read rejects who waits for it, with the reason; pickle is never read', async () => {
  const app = makeApp({ ...RPC, maxResultBytes: 100 })
  const worker = await puppetWorker(app, queues)
  const reasons: [string, object, RegExp][] = [
    [
      'gASVCwAAAAAAAAB9lC4=',
      { contentType: 'application/x-python-serialize' },
      /x-python-serialize.*result_serializer/,
    ],
    ['{', {}, /is no JSON/],
    [
      JSON.stringify({ task_id: 'id2', status: 'SUCCESS', result: 'x'.repeat(100) }),
      {},
      /more than maxResultBytes \(100\)/,
    ],
  ]
  for (const [index, [body, properties, reason]] of reasons.entries()) {
    const waiting = failureOf(app.asyncResult(`id${index}`).get())
    worker.send(body, { ...answerProperties(`id${index}`), ...properties })
    expect(await waiting).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      taskId: `id${index}`,
      message: expect.stringMatching(reason),
    })
  }
  expect(app.resultStats()).toMatchObject({ dropped: 3, received: 0, kept: 0, waiting: 0 })
})

test('a result is about the task that it names, whatever its correlation id', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  worker.send(JSON.stringify({ task_id: 'a', status: 'SUCCESS', result: 1 }), answerProperties('order-17'))

  expect(await app.asyncResult('a').get()).toBe(1)
})

test('while somebody waits for a result, its state is the last that came', async () => {
  const app = makeApp(RPC)
  const worker = await puppetWorker(app, queues)
  const result = app.asyncResult('a')
  const waiting = result.get()
  worker.answer({ taskId: 'a', status: 'PROGRESS', result: { at: 1 } })
  await until(() => result.state === 'PROGRESS')

  expect([result.info, result.ready(), result.result]).toEqual([{ at: 1 }, false, undefined])
  worker.answer({ taskId: 'a', result: 7 })
  expect(await waiting).toBe(7)
  expect([result.state, result.info]).toEqual(['SUCCESS', 7])
})

test('closing the app rejects who waits, and takes the queue away', async () => {
  const app = makeApp(RPC)
  const { replyTo } = await puppetWorker(app, queues)
  const waiting = failureOf(app.asyncResult('a').get())
  await until(() => app.resultStats().waiting === 1)
  await app.close()

  expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED', taskId: 'a' })
  expect(await failureOf(app.asyncResult('a').get())).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  expect((await queues.channel.assertQueue(replyTo, { autoDelete: true })).consumerCount).toBe(0)
  await queues.delete(replyTo)
})

test('an app that closes leaves a pool that is not its own as it was; a pool that closes ends its apps’ waits', async () => {
  const pool = makePool({ broker: broker.url })
  const [one, other] = [createCelery({ pool, backend: 'rpc://' }), createCelery({ pool, backend: 'rpc://' })]
  const worker = await puppetWorker(other, queues)
  await one.close()
  worker.answer({ taskId: 'a', result: 1 })
  expect(await other.asyncResult('a').get()).toBe(1)
  const waiting = failureOf(other.asyncResult('b').get())
  await pool.close()

  expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED' })
})

test('a lost connection loses no result', async () => {
  const proxy = await makeProxy(broker.url)
  const app = makeApp({ ...RPC, broker: proxy.url })
  const worker = await puppetWorker(app, queues)
  await until(async () => (await queues.channel.checkQueue(worker.replyTo)).consumerCount === 1)
  const ids = Array.from({ length: 300 }, (_, n) => `task-${n}`)
  const waits = Promise.all(ids.map((id) => app.asyncResult(id).get()))
  for (const [n, id] of ids.entries()) {
    if (n === 100) await proxy.set('black-hole-down')
    if (n === 200) {
      // What the broker has sent by now has gone into the void.
      await until(async () => (await queues.depth(worker.replyTo)) === 0)
      proxy.reset()
      await proxy.set('pass')
    }
    worker.answer({ taskId: id, result: n })
  }

  expect(await waits).toEqual(ids.map((_, n) => n))
  expect(app.resultStats()).toMatchObject({ waiting: 0, dropped: 0 })
})

rabbitmqNodeTest(
  'the queue for results is declared once for many calls, with a time after which the broker deletes it',
  async () => {
    const app = makeApp({ ...RPC, resultExpires: 60 })
    const { replyTo } = await puppetWorker(app, queues)
    const queue = queues.name()
    await Promise.all(Array.from({ length: 200 }, () => app.sendTask('tasks.add', [], {}, { queue })))

    const lines = (await broker.ctl('-q', 'list_queues', 'name', 'durable', 'auto_delete', 'arguments')).split('\n')
    const ours = lines.filter((line) => line.includes(replyTo))
    expect(ours).toHaveLength(1)
    expect(ours[0]).toMatch(/true\tfalse\t.*"?x-expires"?.*60000/)
  },
  60_000,
)

test('a process ends as soon as its apps are closed, whatever of their queues the broker has cancelled', async () => {
  const script = startScript(`
    import { createCelery } from '../../lib/index.ts'
    const apps = Array.from({ length: 5 }, () => {
      return createCelery({ broker: '${broker.url}', backend: 'rpc://', logger: false })
    })
    for (const app of apps) {
      await app.sendTask('tasks.add', [], {}, { queue: '${queues.name()}' })
      await app.control.ping({ timeoutMs: 20 })
    }
    await Promise.all(apps.map((app) => app.close()))
    const closedAt = performance.now()
    process.on('exit', () => console.log(performance.now() - closedAt < 4_000 ? 'soon' : 'late'))
  `)
  afterTest(() => script.process.kill('SIGKILL'))

  expect(await script.nextLine()).toBe('soon')
  expect(await script.ended).toEqual({ code: 0, signal: null })
})
