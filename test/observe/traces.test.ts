import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { TRACES } from '../../lib/observe/traces.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, makePool, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** What a subscriber was told, in order. */
type Told = [event: string, context: Record<string, unknown>][]

/** Listens to all that a channel tells, until the end of the test. */
function listenTo(name: string): Told {
  const told: Told = []
  const listener = (event: string) => (context: unknown) => told.push([event, { ...(context as object) }]) as never
  const subscribers = {
    start: listener('start'),
    end: listener('end'),
    asyncStart: listener('asyncStart'),
    asyncEnd: listener('asyncEnd'),
    error: listener('error'),
  }
  const channel = tracingChannel(`pooled-producer:${name}`)
  channel.subscribe(subscribers)
  afterTest(() => void channel.unsubscribe(subscribers))
  return told
}

const namesOf = (told: Told) => told.map(([event]) => event)
const SUCCESS = ['start', 'end', 'asyncStart', 'asyncEnd']
const FAILURE = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

describe('publish', () => {
  test('is told from the call to the confirm, with what and where, and no arguments', async () => {
    const told = listenTo('publish')
    const app = makeApp({ broker: broker.url, name: 'shop' })
    const queue = queues.name()
    const { taskId } = await app.sendTask('tasks.add', ['an argument'], { key: 'a keyword' }, { queue })

    expect(namesOf(told)).toEqual(SUCCESS)
    const context = {
      pool: 'shop',
      exchange: '',
      routingKey: queue,
      task: 'tasks.add',
      taskId,
      bytes: expect.any(Number),
    }
    expect(told[0]?.[1]).toEqual(context)
    expect(told[3]?.[1]).toEqual(context)
    expect(inspect(told, { depth: 9 })).not.toMatch(/an argument|a keyword/)
  })

  test('is told of a lease’s messages and of plain ones, whose size is counted in bytes', async () => {
    const told = listenTo('publish')
    const pool = await readyPool({ broker: broker.url, name: 'shop' })
    const routingKey = await queues.declare()
    const receipt = await pool.use((producer) => producer.publish({ routingKey, body: 'é' }))

    expect(receipt).toMatchObject({ attempts: 1 })
    expect(told[0]?.[1]).toEqual({
      pool: 'shop',
      exchange: '',
      routingKey,
      task: undefined,
      taskId: undefined,
      bytes: 2,
    })
  })

  test('tells the error of one that failed, and the caller gets the same', async () => {
    const told = listenTo('publish')
    const pool = await readyPool({ broker: broker.url })
    const error = await failureOf(pool.publish({ routingKey: queues.name(), body: 'x', mandatory: true }))

    expect(namesOf(told)).toEqual(FAILURE)
    expect(told[2]?.[1].error).toBe(error)
    expect(error.code).toBe('ERR_UNROUTABLE')
  })

  test('runs in what a tracer binds to its start', async () => {
    const storage = new AsyncLocalStorage()
    TRACES.publish.start.bindStore(storage, (context) => (context as { routingKey: string }).routingKey)
    afterTest(() => void TRACES.publish.start.unbindStore(storage))
    const seen: unknown[] = []
    const end = () => seen.push(storage.getStore()) as never
    TRACES.publish.end.subscribe(end)
    afterTest(() => void TRACES.publish.end.unsubscribe(end))
    const pool = await readyPool({ broker: broker.url })
    const routingKey = await queues.declare()
    await pool.publish({ routingKey, body: 'x' })

    expect(seen).toEqual([routingKey])
    expect(storage.getStore()).toBeUndefined()
  })
})

describe('acquire', () => {
  test('is told from the call to the lease, which stays its caller’s', async () => {
    const told = listenTo('acquire')
    const pool = await readyPool({ broker: broker.url, name: 'shop' })
    await pool.use(() => {})

    expect(told).toEqual([
      ['start', { pool: 'shop' }],
      ['end', { pool: 'shop' }],
      ['asyncStart', { pool: 'shop' }],
      ['asyncEnd', { pool: 'shop' }],
    ])
  })

  test('that nobody awaits may fail', async () => {
    const told = listenTo('acquire')
    const pool = makePool({ broker: NOWHERE })
    void pool.acquire({ block: false })
    await until(() => told.length === FAILURE.length)

    expect(namesOf(told)).toEqual(FAILURE)
    expect(told[2]?.[1].error).toMatchObject({ code: 'ERR_POOL_EXHAUSTED' })
  })
})

describe('connect', () => {
  test('is told of each attempt, with the node and no secret', async () => {
    const told = listenTo('connect')
    await readyPool({ broker: broker.url, name: 'shop' })
    const { hostname, port, username, password } = new URL(broker.url)

    expect(namesOf(told)).toEqual(SUCCESS)
    expect(told[0]?.[1]).toEqual({
      pool: 'shop',
      connection: 1,
      broker: expect.stringContaining(`${hostname}:${port}`),
    })
    expect(told[3]).toEqual(['asyncEnd', told[0]?.[1]])
    if (password !== '' && password !== username) expect(inspect(told, { depth: 9 })).not.toContain(password)
  })

  test('tells why one failed', async () => {
    const told = listenTo('connect')
    makePool({ broker: 'amqp://me:verysecret@127.0.0.1:1' })
    await until(() => told.length >= FAILURE.length)

    expect(namesOf(told).slice(0, FAILURE.length)).toEqual(FAILURE)
    expect(told[2]?.[1].error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
    expect(inspect(told, { depth: 9 })).not.toContain('verysecret')
  })
})
