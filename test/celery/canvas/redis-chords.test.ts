import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Celery, chain, chord, type GroupResult, group } from '../../../lib/index.ts'
import { useBroker } from '../../support/broker.ts'
import { type CeleryWorker, celeryTest, hasCelery, startCeleryWorker } from '../../support/celery-worker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'
import { hasRedis, type RedisServer, redisTest, startRedisServer } from '../../support/redis-server.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const WAIT = { timeoutMs: 30_000 }

describe('with workers whose backend is Redis', () => {
  const testWithAll = hasRedis() ? celeryTest : redisTest
  const chordTest = (name: string, run: () => Promise<void>) => testWithAll(name, run, 60_000)
  let redis: RedisServer
  let worker: CeleryWorker
  beforeAll(async () => {
    if (!hasCelery() || !hasRedis()) return
    redis = await startRedisServer()
    worker = await startCeleryWorker({ brokerUrl: broker.url, backend: redis.url })
  }, 90_000)
  afterAll(async () => {
    await worker?.stop()
    await redis?.stop()
  })

  function tasks(app: Celery = makeApp({ broker: broker.url, backend: redis.url })) {
    const options = { queue: worker.queue }
    return {
      add: app.createTask<[number, number], number>('tasks.add', options),
      xsum: app.createTask<[number[]], number>('tasks.xsum', options),
      echo: app.createTask('tasks.echo', options),
      fail: app.createTask('tasks.fail', options),
    }
  }

  chordTest('a chord starts at once, and each task of it can be awaited', async () => {
    const { add, xsum } = tasks()
    const result = await chord([add.s(1, 1), add.s(2, 2)], xsum.s()).applyAsync()
    const header = result.parent as unknown as GroupResult<number[]>

    expect(await result.get(WAIT)).toBe(6)
    expect(await header.get(WAIT)).toEqual([2, 4])
    expect(worker.output()).not.toContain('celery.chord[')
  })

  chordTest('a chord of chains, and one with a chain for a body', async () => {
    const { add, xsum } = tasks()
    const flow = chord([chain(add.s(1, 1), add.s(10)), add.s(2, 2)], chain(xsum.s(), add.s(100)))
    const result = await flow.applyAsync()

    expect(await result.get(WAIT)).toBe(116)
    expect(await result.parent?.get(WAIT)).toBe(16)
  })

  chordTest('a chord in a chord, and one in a chain', async () => {
    const { add, xsum } = tasks()
    const inner = chord([add.s(1, 1), add.s(2, 2)], xsum.s())
    const nested = await chord([inner, add.s(5, 5)], xsum.s()).applyAsync()
    const inChain = await chain(add.s(1, 1), group(add.s(1), add.s(2)), xsum.s(), add.s(100)).applyAsync()

    expect(await nested.get(WAIT)).toBe(16)
    expect(await inChain.get(WAIT)).toBe(107)
  })

  chordTest('a header of 200 tasks gives its results in its order', async () => {
    const { add, echo } = tasks()
    const numbers = Array.from({ length: 200 }, (_, n) => n)
    const header = numbers.map((n) => add.s(n, 0))
    const result = await chord(header, echo.s()).applyAsync()

    expect(await result.get(WAIT)).toEqual({ args: [numbers], kwargs: {} })
  })

  chordTest('an empty header starts the body with an empty list', async () => {
    const { xsum } = tasks()
    const result = await chord([], xsum.s()).applyAsync()

    expect(await result.get(WAIT)).toBe(0)
  })

  chordTest('a task of the header that fails fails the body', async () => {
    const { add, xsum, fail } = tasks()
    const result = await chord([add.s(1, 1), fail.s('on purpose')], xsum.s()).applyAsync()

    await expect(result.get(WAIT)).rejects.toMatchObject({
      code: 'ERR_TASK_FAILED',
      remote: { type: 'ChordError', message: expect.stringContaining('on purpose') },
    })
  })
})

describe('a chord that nobody could start', () => {
  test('is refused by an app of rpc://, wherever it stands, and nothing is sent', async () => {
    const app = makeApp({ broker: broker.url, backend: 'rpc://' })
    const add = app.createTask('tasks.add', { queue: queues.name() })
    const refusal = {
      code: 'ERR_INVALID_TASK',
      outcome: 'not-sent',
      message: expect.stringMatching(/^nobody can start a chord: a backend of rpc:\/\/ does not count/),
    }

    expect(await failureOf(chord([add.s(1)], add.s(2)).applyAsync())).toMatchObject(refusal)
    expect(await failureOf(chain(add.s(1), group(add.s(2), add.s(3)), add.s(4)).applyAsync())).toMatchObject(refusal)
    expect(app.pool.stats()).toMatchObject({ confirms: 0 })
  })

  redisTest('is rejected when Redis does not answer, and nothing is sent', async () => {
    const redis = await startRedisServer()
    afterTest(() => redis.stop())
    const app = makeApp({ broker: broker.url, backend: redis.url })
    const add = app.createTask('tasks.add', { queue: queues.name() })
    await redis.kill()
    const error = await failureOf(chord([add.s(1), add.s(2)], add.s(3)).applyAsync())

    expect(error).toMatchObject({
      code: 'ERR_RESULT_TIMEOUT',
      outcome: 'not-sent',
      retryable: true,
      message: expect.stringMatching(/^a chord was not started, as its backend could not be told: /),
    })
    expect(app.pool.stats()).toMatchObject({ confirms: 0 })
  })
})
