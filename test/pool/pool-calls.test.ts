import { expect, jest, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { createProducerPool, type ProducerPool } from '../../lib/pool/producer-pool.ts'
import type { ResultMaker } from '../../lib/pool/publish-request.ts'
import { CONFIRMING, startScriptedServer } from '../amqp/scripted-server.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, NOWHERE, readyPool } from '../support/pools.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const MESSAGE = { routingKey: 'q', body: 'x' }
const PREPARED = prepare(MESSAGE, undefined)

function made(result: string): ResultMaker {
  return { resultOf: () => result }
}

test('a pool goes from connecting to open to closing to closed, and ready waits for the first step', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = makePool({ broker: server.url })
  expect(pool.state).toBe('connecting')
  await pool.ready()
  expect([pool.state, pool.stats().channels]).toEqual(['open', 1])
  const closing = pool.close()
  expect(pool.state).toBe('closing')
  await closing

  expect(pool.state).toBe('closed')
  expect(pool.stats()).toMatchObject({ state: 'closed', connections: 0, channels: 0 })
})

test('a publish is confirmed with a receipt, and counted', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url })

  expect(await pool.publish(MESSAGE)).toEqual({ channel: 1, attempts: 1, confirmMs: expect.any(Number) })
  expect(pool.counters.confirms).toBe(1)
  expect(pool.stats()).toMatchObject({ publishes: 1, confirms: 1, leases: 1, bufferedBytes: 0, inFlight: 0 })
})

test('acquires and publishes that wait are counted together', () => {
  const pool = makePool({ broker: NOWHERE })
  void pool.acquire()
  for (let n = 0; n < 2; n++) void pool.publish(MESSAGE)

  const { bufferedBytes } = pool.counters
  expect(bufferedBytes).toBeGreaterThan(0)
  expect(pool.stats()).toMatchObject({ waiting: 3, publishes: 2, bufferedBytes, leased: 0, idle: 0 })
})

test('what a function does with a lease is given, and the lease is given back', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })

  expect(await pool.use((producer) => [producer.channelId, pool.stats().leased])).toEqual([1, 1])
  expect(pool.stats().leased).toBe(0)
  expect(await failureOf(pool.use(() => {}, { timeoutMs: 0 }))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
})

test('what is checked already goes by the pool, or by a lease of its own, and by no other pool’s', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const producer = await pool.acquire()
  // While the lease has the only channel the pool itself could write nothing.
  expect(await pool.send(PREPARED, made('by the lease'), undefined, undefined, producer)).toBe('by the lease')
  pool.release(producer)
  expect(await pool.send(PREPARED, made('by the pool'))).toBe('by the pool')
  expect(await pool.send(PREPARED, made('by the pool'), undefined, undefined, pool)).toBe('by the pool')

  const other = makePool({ broker: NOWHERE })
  const foreign = { code: 'ERR_NOT_LEASED', message: "this producer is another pool's", outcome: 'not-sent' }
  for (const lease of [producer, {}, pool, null]) {
    expect(() => other.send(PREPARED, undefined, undefined, undefined, lease)).toThrow(expect.objectContaining(foreign))
  }
  expect(other.stats().publishes).toBe(0)
})

test('what is wrong before it is a publish is rejected, and told with its task', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: NOWHERE, logger })
  const error = new PooledProducerError('ERR_INVALID_TASK', 'bad')

  expect(await failureOf(pool.refuse(error, 'shop.ship', 'id-1'))).toBe(error)
  expect(await failureOf(pool.publish({ routingKey: 7 } as never))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  expect(logger.of('publish.fail')).toMatchObject([
    { task: 'shop.ship', taskId: 'id-1', code: 'ERR_INVALID_TASK' },
    { code: 'ERR_INVALID_OPTION', outcome: 'not-sent' },
  ])
})

test('a lease that is held for too long is logged with the place that took it, and with leaseWarnMs 0 never', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const [logger, silent] = [new RecordedLog(), new RecordedLog()]
  const options = { broker: server.url, maxChannels: 1 }
  const patient = await makePool({ ...options, leaseWarnMs: 0, logger: silent }).acquire()
  const producer = await makePool({ ...options, leaseWarnMs: 1, logger }).acquire()
  await until(() => logger.of('lease.held').length > 0)
  for (const lease of [patient, producer]) lease.release()

  expect(logger.of('lease.held')).toMatchObject([
    { stack: expect.stringMatching(/^Error: the lease was taken here\n.*\n.*pool-calls/) },
  ])
  expect(silent.of('lease.held')).toEqual([])
})

test('a listener hears of its event until it is taken off', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = makePool({ broker: server.url })
  const [kept, left] = [jest.fn(), jest.fn()]
  expect(pool.on('connect', kept).on('connect', left).off('connect', left)).toBe(pool)
  await pool.ready()

  expect([kept.mock.calls.length, left.mock.calls.length]).toEqual([1, 0])
})

test('a pool tells of no other events than its own', () => {
  const pool = makePool({ broker: NOWHERE })
  expect(() => pool.on('conect' as 'connect', () => {})).toThrow(/^"conect" is not an event of a pool; known are /)
})

/** A pool whose clock is the test's, and what it has logged so far of itself. */
function timedPool(summaryIntervalMs: number): { pool: ProducerPool; summaries: () => object[]; told: unknown[] } {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] })
  const logger = new RecordedLog()
  const pool = makePool({ broker: NOWHERE, logger, summaryIntervalMs })
  // It is closed by the true clock.
  afterTest(() => jest.useRealTimers())
  const told: unknown[] = []
  pool.on('summary', (stats) => told.push(stats))
  return { pool, summaries: () => logger.of('pool.summary'), told }
}

test('a summary is logged and told at each interval, with the most channels that there may be', () => {
  const { pool, summaries, told } = timedPool(1_000)
  void pool.publish(MESSAGE)
  jest.advanceTimersByTime(2_500)

  expect(summaries()).toMatchObject(Array(2).fill({ publishes: 1, waiting: 1, maxChannels: 8 }))
  expect(told).toMatchObject(Array(2).fill({ publishes: 1, waiting: 1 }))
})

test('with summaryIntervalMs 0 there is one summary, at the close, before the pool says that it is closed', async () => {
  const { pool, summaries, told } = timedPool(0)
  pool.on('close', () => told.push('closed'))
  jest.advanceTimersByTime(1_000)
  expect(summaries()).toEqual([])
  jest.useRealTimers()
  await pool.close()

  expect(summaries()).toMatchObject([{ state: 'closed', maxChannels: 8 }])
  expect(told).toMatchObject([{ state: 'closed' }, 'closed'])
})

test('drain waits for the outcome of every publish', async () => {
  const pool = makePool({ broker: NOWHERE })
  const publishing = failureOf(pool.publish(MESSAGE, { timeoutMs: 20 }))
  await pool.drain()
  expect(pool.stats()).toMatchObject({ failures: 1, waiting: 0 })
  await publishing
})

test('ready says after its time why there is no channel', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: NOWHERE, acquireTimeoutMs: 30, logger })
  await until(() => logger.of('connection.retry').length > 0)
  for (const [options, limitMs] of [
    [undefined, 30],
    [{ timeoutMs: 20 }, 20],
  ] as const) {
    expect(await failureOf(pool.ready(options))).toMatchObject({
      code: 'ERR_BROKER_UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`^no channel in ${limitMs} ms .*ECONNREFUSED`)),
      cause: { code: 'ERR_BROKER_UNAVAILABLE' },
      retryAfterMs: expect.any(Number),
      stats: { state: 'connecting' },
    })
  }
})

test('the wait for ready can be aborted, and ends with the pool', async () => {
  const pool = makePool({ broker: NOWHERE })
  const controller = new AbortController()
  const aborted = failureOf(pool.ready({ signal: controller.signal }))
  controller.abort()

  expect(await aborted).toMatchObject({ code: 'ERR_ABORTED' })
  await pool.close()
  expect(await failureOf(pool.ready())).toMatchObject({ code: 'ERR_POOL_CLOSED' })
})

test.each([
  ['ready', { block: true }, 'block is no option here; known are timeoutMs, signal'],
  ['close', { signal: new AbortController().signal }, 'signal is no option here; known are timeoutMs'],
] as const)('%s takes no options but its own', async (call, options, message) => {
  const pool = makePool({ broker: NOWHERE })

  expect(await failureOf(pool[call](options as object))).toMatchObject({ code: 'ERR_INVALID_OPTION', message })
  expect(pool.state).toBe('connecting')
})

test.each([
  ['the time it is given', { timeoutMs: 20 }, 20],
  ['the pool’s publishTimeoutMs', undefined, 30],
])('close waits for %s, and no second call changes it', async (_, options, limitMs) => {
  const pool = makePool({ broker: NOWHERE, publishTimeoutMs: 30 })
  const publishing = failureOf(pool.publish(MESSAGE, { timeoutMs: 60_000 }))
  const closing = pool.close(options)
  expect(pool.close({ timeoutMs: 10_000 })).toBe(closing)

  expect(await closing).toEqual({ confirmed: 0, unknown: [], notSent: [''] })
  expect(await publishing).toMatchObject({
    code: 'ERR_POOL_CLOSED',
    message: `the pool was closed; no confirm came in ${limitMs} ms`,
  })
})

test('once close is called nothing new is taken', async () => {
  const pool = makePool({ broker: NOWHERE })
  void pool.close()
  const closed = { code: 'ERR_POOL_CLOSED', message: 'the pool is closed', outcome: 'not-sent' }

  for (const call of [pool.publish(MESSAGE), pool.acquire(), pool.use(() => 1)]) {
    expect(await failureOf(call)).toMatchObject(closed)
  }
  expect(() => pool.subscribe({ name: 'results', declare: async () => 'q', received: () => {} })).toThrow(
    expect.objectContaining(closed),
  )
})

test('what is subscribed is closed with its pool', async () => {
  const pool = makePool({ broker: NOWHERE })
  const closed = jest.fn()
  const subscription = pool.subscribe({ name: 'results', declare: async () => 'q', received: () => {}, closed })
  expect([subscription.name, subscription.isClosed]).toEqual(['results', false])
  await pool.close()

  expect([subscription.isClosed, closed.mock.calls.length]).toEqual([true, 1])
})

test('the end of a block closes its pool', async () => {
  const pool = createProducerPool({ broker: NOWHERE, logger: false })
  await pool[Symbol.asyncDispose]()
  expect(pool.state).toBe('closed')
})
