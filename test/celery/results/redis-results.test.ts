import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { createCelery } from '../../../lib/celery/celery.ts'
import { type GivenClient, ioredisStore } from '../../../lib/celery/results/redis-clients.ts'
import { RedisResults } from '../../../lib/celery/results/redis-results.ts'
import { resultSettings } from '../../../lib/celery/results/result-options.ts'
import { freePort } from '../../../lib/testing/free-port.ts'
import { uniqueName, useBroker } from '../../support/broker.ts'
import { type CeleryWorker, celeryTest, hasCelery, startCeleryWorker } from '../../support/celery-worker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { until } from '../../support/condition.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp } from '../../support/pools.ts'
import { hasRedis, type RedisServer, redisTest, startRedisServer } from '../../support/redis-server.ts'
import { answerBody } from './answers.ts'

const broker = useBroker()
const SOON = { timeoutMs: 20_000 }
let server: RedisServer
let redis: ReturnType<typeof createClient>
beforeAll(async () => {
  if (!hasRedis()) return
  server = await startRedisServer()
  redis = createClient({ url: server.url })
  redis.on('error', () => {})
  await redis.connect()
})
afterAll(async () => {
  redis?.destroy()
  await server?.stop()
})

/** Stores a state as a worker does. */
async function store(taskId: string, answer: object = {}, prefix = ''): Promise<void> {
  const [key, value] = [`${prefix}celery-task-meta-${taskId}`, answerBody({ taskId, ...answer })]
  await redis.multi().setEx(key, 60, value).publish(key, value).exec()
}

/** Channels that somebody listens to. */
async function listenedTo(): Promise<string[]> {
  return (await redis.sendCommand(['PUBSUB', 'CHANNELS'])) as unknown as string[]
}

/** How often a value was asked for. */
async function questions(): Promise<number> {
  return Number(/cmdstat_get:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)
}

describe('with a real worker', () => {
  let worker: CeleryWorker
  beforeAll(async () => {
    if (hasCelery() && hasRedis()) worker = await startCeleryWorker({ brokerUrl: broker.url, backend: server.url })
  }, 90_000)
  afterAll(() => worker?.stop())

  celeryTest('values, exceptions and states of tasks come from Redis', async () => {
    const app = makeApp({ broker: broker.url, backend: server.url, taskDefaultQueue: worker.queue })
    const [sum, failure, progress] = await Promise.all([
      app.sendTask('tasks.add', [2, 3]),
      app.sendTask('tasks.fail_with', ['boom']),
      app.sendTask('tasks.progress', [3]),
    ])

    expect(await sum.get(SOON)).toBe(5)
    expect(await app.asyncResult(sum.taskId).get(SOON)).toBe(5)
    expect(await failureOf(failure.get(SOON))).toMatchObject({
      code: 'ERR_TASK_FAILED',
      remote: { type: 'ValueError', message: 'boom', module: 'builtins' },
    })
    expect(await progress.get(SOON)).toBe(3)
    const again = app.asyncResult<number>(sum.taskId)
    expect(again.state).toBe('PENDING')
    expect(await again.refresh()).toBe('SUCCESS')
    expect([again.result, again.ready()]).toEqual([5, true])
    await again.forget()
    expect(await app.asyncResult(sum.taskId).refresh()).toBe('PENDING')
  })
})

const CLIENTS = {
  'a URL': async () => server.url,
  'a client of redis': async () => {
    const client = createClient({ url: server.url })
    await client.connect()
    afterTest(() => client.destroy())
    return client
  },
  'a client of ioredis': async () => {
    const client = new Redis(server.url)
    afterTest(() => client.disconnect())
    return client
  },
}

for (const [name, place] of Object.entries(CLIENTS)) {
  redisTest(
    `through ${name}, a task is listened for only while somebody waits, and comes with all its states`,
    async () => {
      const app = makeApp({ broker: broker.url, backend: { redis: await place() } })
      const id = uniqueName('task')
      const result = app.asyncResult(id)
      expect(await listenedTo()).toEqual([])
      const [one, two] = [result.get(SOON), app.asyncResult(id).get(SOON)]
      const states: string[] = []
      const reading = (async () => {
        for await (const { state } of app.asyncResult(id).progress(SOON)) states.push(state)
      })()
      await until(async () => (await listenedTo()).length === 1)
      await store(id, { status: 'STARTED' })
      await until(() => states.length === 1)
      await store(id, { status: 'PROGRESS', result: { at: 1 } })
      await store(id, { result: 7 })
      await reading

      expect(await Promise.all([one, two])).toEqual([7, 7])
      expect(states).toEqual(['STARTED', 'PROGRESS'])
      await until(async () => (await listenedTo()).length === 0)
      expect(app.resultStats()).toMatchObject({ waiting: 0, kept: 0, dropped: 0 })
    },
  )
}

for (const [name, place] of Object.entries(CLIENTS)) {
  redisTest(
    `through ${name}, a task is heard that is awaited again as soon as a wait for it has ended early`,
    async () => {
      const app = makeApp({ broker: broker.url, backend: { redis: await place() } })
      for (let round = 0; round < 20; round++) {
        const result = app.asyncResult(uniqueName('task'))
        const ending = new AbortController()
        const first = failureOf(result.get({ ...SOON, signal: ending.signal }))
        await until(async () => (await listenedTo()).includes(`celery-task-meta-${result.taskId}`))
        const asked = await questions()
        ending.abort()
        await first
        const second = result.get(SOON)
        await until(async () => (await questions()) > asked)
        await store(result.taskId, { result: round })

        expect(await second).toBe(round)
      }
      await until(async () => (await listenedTo()).length === 0)
    },
  )
}

redisTest('keys have the prefix that workers are given', async () => {
  const app = makeApp({ broker: broker.url, backend: { redis: server.url, globalKeyprefix: 'shop' } })
  const id = uniqueName('task')
  await store(id, { result: 1 }, 'shop_')

  expect(await app.asyncResult(id).get(SOON)).toBe(1)
})

redisTest('a wait ends at its deadline, and listens no more', async () => {
  const app = makeApp({ broker: broker.url, backend: server.url })

  expect(await failureOf(app.asyncResult('never').get({ timeoutMs: 50 }))).toMatchObject({ code: 'ERR_RESULT_TIMEOUT' })
  await until(async () => (await listenedTo()).length === 0)
})

redisTest('what is no JSON rejects who waits for it', async () => {
  const app = makeApp({ broker: broker.url, backend: server.url })
  await redis.set('celery-task-meta-pickled', '\x80\x05.')

  expect(await failureOf(app.asyncResult('pickled').get(SOON))).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining('is no JSON'),
  })
})

redisTest('the size of a chord is set as Celery sets it', async () => {
  const results = new RedisResults({ redis: server.url, keyPrefix: '' }, resultSettings({ resultExpires: 60 }))
  await results.setChordSize('gid', 3)

  expect(await redis.get('celery-taskset-meta-gid.s')).toBe('3')
  expect(await redis.ttl('celery-taskset-meta-gid.s')).toBeGreaterThan(50)
  await results.close()
})

redisTest(
  'after a Redis that went away, what is awaited comes',
  async () => {
    const own = await startRedisServer()
    afterTest(() => own.stop())
    const app = makeApp({ broker: broker.url, backend: own.url })
    const waiting = app.asyncResult('a').get(SOON)
    await until(() => app.resultStats().waiting === 1)
    await own.kill()
    const error = await failureOf(app.asyncResult('b').get({ timeoutMs: 300 }))
    await own.start()
    const client = createClient({ url: own.url })
    await client.connect()
    afterTest(() => client.destroy())
    await client.set('celery-task-meta-a', answerBody({ taskId: 'a', result: 1 }))

    expect(error.code).toBe('ERR_RESULT_TIMEOUT')
    expect(await waiting).toBe(1)
  },
  60_000,
)

redisTest('closing the app rejects who waits, and leaves a client that was given open', async () => {
  const app = makeApp({ broker: broker.url, backend: { redis } })
  const waiting = failureOf(app.asyncResult('x').get(SOON))
  await until(async () => (await listenedTo()).length === 1)
  await app.close()

  expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  expect(await redis.ping()).toBe('PONG')
  expect(await failureOf(app.asyncResult('x').refresh())).toMatchObject({ code: 'ERR_POOL_CLOSED' })
})

test('an app that is closed as it begins to look for a Redis that is away ends', async () => {
  const app = makeApp({ broker: broker.url, backend: `redis://127.0.0.1:${await freePort()}` })
  const waiting = failureOf(app.asyncResult('x').get(SOON))
  await app.close()

  expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED' })
})

test('an attempt to reach a Redis that is away leaves no client that goes on trying, and no listener', async () => {
  const client = new Redis(await freePort(), '127.0.0.1', { lazyConnect: true })
  const [duplicate, ends] = [jest.spyOn(client, 'duplicate'), jest.spyOn(Redis.prototype, 'disconnect')]
  const ended = new AbortController()
  const owner = { message() {}, ready() {}, failed() {}, ended: ended.signal }
  await failureOf(ioredisStore(client as unknown as GivenClient, owner, true))
  const copy = duplicate.mock.results[0]?.value as Redis

  expect([ends.mock.contexts.includes(client), ends.mock.contexts.includes(copy)]).toEqual([true, true])
  expect(getEventListeners(ended.signal, 'abort')).toEqual([])
})

redisTest('what is no Redis is refused, and no URL is shown', () => {
  for (const backend of [
    'redis://:secret@',
    { redis: 5 },
    { redis: {} },
    { redis: server.url, globalKeyprefix: 5 },
    { url: 'x' },
  ]) {
    const make = () => createCelery({ broker: broker.url, backend: backend as string })
    expect(make).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.not.stringContaining('secret') }),
    )
  }
})
