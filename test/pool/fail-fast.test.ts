import { afterAll, expect, test } from '@jest/globals'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { type RabbitmqNode, startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

let node: RabbitmqNode | undefined
afterAll(() => node?.stop())

/** Fails, unless it takes less time than anybody waits for. */
async function failureAtOnce(promise: Promise<unknown>): Promise<{ retryAfterMs?: number }> {
  const startedAt = performance.now()
  const error = await failureOf(promise)
  expect(performance.now() - startedAt).toBeLessThan(4_000)
  return error
}

test('in a short outage publishes wait, and go out when the broker is back', async () => {
  const proxy = await makeProxy(broker.url)
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: proxy.url, logger })
  await proxy.set('refuse')
  proxy.reset()
  await until(() => pool.state === 'connecting')
  const publishing = Promise.all([1, 2, 3].map(() => pool.publish(GOOD)))
  await until(() => logger.of('connection.retry').length > 2)
  await proxy.set('pass')

  expect(await publishing).toHaveLength(3)
})

test('once the broker has been away for failFastAfterMs, publishes and acquires are refused at once, and told when to come back', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, failFastAfterMs: 200, publishTimeoutMs: 10_000 })
  const queue = await queues.declare()
  await proxy.set('refuse')
  proxy.reset()
  await until(() => pool.state === 'connecting')
  const early = failureOf(pool.publish(GOOD, { timeoutMs: 900 }))
  await until(() => failsFast(pool))

  const errors = [await failureAtOnce(pool.publish(GOOD)), await failureAtOnce(pool.acquire())]
  for (const error of errors) {
    expect(error).toMatchObject({
      code: 'ERR_BROKER_UNAVAILABLE',
      retryable: true,
      outcome: 'not-sent',
      message: expect.stringMatching(/^refused at once, for nothing could be sent for \d+ ms: /),
    })
    // The longest pause between two attempts.
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(100)
    expect(error.retryAfterMs).toBeLessThanOrEqual(1_500)
    expect(Number.isInteger(error.retryAfterMs)).toBe(true)
  }
  // What was accepted before keeps its own deadline.
  expect(await early).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', message: expect.stringMatching(/^not sent in/) })

  await proxy.set('pass')
  await pool.ready()
  await pool.publish({ routingKey: queue, body: 'back again' })
})

/** Whether an acquire is refused before anybody has waited. */
async function failsFast(pool: ProducerPool): Promise<boolean> {
  const acquiring = pool.acquire().then((producer) => producer.release())
  const waited = new Promise((resolve) => setImmediate(resolve, 'waited'))
  return (await Promise.race([acquiring.catch(() => 'refused'), waited])) === 'refused'
}

test('with failFastAfterMs 0 everybody waits as long as they said', async () => {
  const pool = makePool({ broker: NOWHERE, failFastAfterMs: 0 })
  const first = await failureOf(pool.publish(GOOD, { timeoutMs: 300 }))
  const second = await failureOf(pool.publish(GOOD, { timeoutMs: 300 }))

  for (const error of [first, second]) {
    expect(error.message).toMatch(/^not sent in \d+ ms: /)
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(100)
  }
})

test('ready waits for a broker that has been away for long', async () => {
  const proxy = await makeProxy(broker.url)
  await proxy.set('refuse')
  const pool = makePool({ broker: proxy.url, failFastAfterMs: 1 })
  await until(() => failsFast(pool))
  const ready = pool.ready({ timeoutMs: 10_000 })
  await proxy.set('pass')

  await ready
  expect(await failureOf(makePool({ broker: NOWHERE }).ready({ timeoutMs: 50 }))).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    retryAfterMs: expect.any(Number),
  })
})

rabbitmqNodeTest(
  'a broker that blocks for longer is refused at once too, with a second to wait',
  async () => {
    node ??= await startRabbitmqNode()
    const pool = await readyPool({ broker: node.url, failFastAfterMs: 300 })
    await node.ctl('set_vm_memory_high_watermark', '0.000001')
    const written = pool.publish(GOOD, { timeoutMs: 30_000 })
    await until(() => pool.state === 'blocked')
    await until(() => failsFast(pool))

    expect(await failureAtOnce(pool.publish(GOOD))).toMatchObject({
      code: 'ERR_BROKER_BLOCKED',
      outcome: 'not-sent',
      retryAfterMs: 1_000,
    })
    await node.ctl('set_vm_memory_high_watermark', '0.4')
    await written
    await pool.publish(GOOD)
  },
  60_000,
)

test('a pool that is busy says a second', async () => {
  const options = { broker: broker.url, maxChannels: 1, maxWaiting: 1, maxBufferedBytes: 10_000 }
  const [pool, full] = await Promise.all([readyPool(options), readyPool({ ...options, maxWaiting: 10 })])
  const leases = [await pool.acquire(), await full.acquire()]
  const waiting = [pool.publish(GOOD), full.publish({ ...GOOD, body: 'x'.repeat(7_000) })]
  const busy = [
    pool.acquire({ block: false }),
    pool.acquire(),
    pool.publish(GOOD),
    full.publish({ ...GOOD, body: 'x'.repeat(7_000) }),
  ]
  for (const promise of busy) {
    expect(await failureOf(promise)).toMatchObject({ code: 'ERR_POOL_EXHAUSTED', retryAfterMs: 1_000 })
  }
  for (const lease of leases) lease.release()
  await Promise.all(waiting)
})

test('an error that time does not cure says no time', async () => {
  const pool = await readyPool({ broker: broker.url })
  const error = await failureOf(pool.publish({ routingKey: queues.name(), body: 'x', mandatory: true }))

  expect(error.code).toBe('ERR_UNROUTABLE')
  expect('retryAfterMs' in error).toBe(false)
})

test('an acquire that waited in vain, and a publish that got no confirm, say when too', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url, maxChannels: 1 })
  const lease = await pool.acquire()
  expect(await failureOf(pool.acquire({ timeoutMs: 50 }))).toMatchObject({
    code: 'ERR_ACQUIRE_TIMEOUT',
    retryAfterMs: 1_000,
  })
  lease.release()
  await proxy.set('black-hole')
  expect(await failureOf(pool.publish(GOOD, { timeoutMs: 100 }))).toMatchObject({
    code: 'ERR_PUBLISH_TIMEOUT',
    outcome: 'unknown',
    retryAfterMs: 1_000,
  })
})

test('a refused pool says when it is tried again', async () => {
  const url = Object.assign(new URL(broker.url), { username: 'nobody', password: 'wrong' }).href
  const pool = makePool({ broker: url })
  const waited = await failureOf(pool.publish(GOOD))
  const refused = await failureOf(pool.publish(GOOD))

  for (const error of [waited, refused]) {
    expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', retryable: false })
    expect(error.retryAfterMs).toBeGreaterThan(10_000)
    expect(error.retryAfterMs).toBeLessThanOrEqual(30_000)
  }
})
