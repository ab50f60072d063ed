import { describe, expect, test } from '@jest/globals'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { ack, CHANNEL_1, closing, type SentMethod, startScriptedServer } from '../amqp/scripted-server.ts'
import { useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  test('a reset with messages in flight sends them again, under the same task ids', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url, fastPath })
    const queue = queues.name()
    const echo = app.createTask('tasks.echo', { queue })
    const { taskId: first } = await echo.delay(0)
    // What the broker is sent it takes; what it answers is lost.
    await proxy.set('black-hole-down')
    const sending = Promise.all(Array.from({ length: 20 }, (_, index) => echo.delay(index + 1)))
    await until(async () => (await queues.depth(queue)) === 21)
    proxy.reset()
    await proxy.set('pass')
    const results = await sending

    const messages = await queues.take(queue, 41)
    const ids = messages.map(({ properties }) => properties.headers?.id)
    expect(new Set(ids)).toEqual(new Set([first, ...results.map(({ taskId }) => taskId)]))
    expect(messages.map(({ properties }) => properties.correlationId)).toEqual(ids)
    expect(app.pool.stats()).toMatchObject({ publishes: 21, confirms: 21, retries: 20, failures: 0 })
  })

  test('what the broker refuses when it is sent again is unknown: it may have been stored the first time', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath })
    const queue = await queues.declare()
    await proxy.set('black-hole-down')
    const failure = failureOf(pool.publish({ ...numbered(queue, 1), mandatory: true }))
    await until(async () => (await queues.depth(queue)) === 1)
    await queues.delete(queue)
    proxy.reset()
    await proxy.set('pass')

    expect(await failure).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'unknown', retryable: false })
    expect((await failure).message).toMatch(/may have been stored/)
  })

  test('with no confirm in confirmTimeoutMs the messages are sent again over another connection', async () => {
    const [silent, sound] = [await makeProxy(broker.url), await makeProxy(broker.url)]
    const logger = new RecordedLog()
    // Two connections begin with different nodes of the list.
    const nodes = [silent.url, sound.url]
    const pool = makePool({ broker: nodes, connections: 2, maxChannels: 2, confirmTimeoutMs: 200, fastPath, logger })
    const queue = await queues.declare()
    await until(() => pool.stats().connections === 2)
    const leases = [await pool.acquire(), await pool.acquire()]
    await silent.set('black-hole')
    const publishing = Promise.all(leases.map((lease, n) => lease.publish(numbered(queue, n))))
    for (const lease of leases) lease.release()
    const receipts = await publishing

    expect(receipts.map(({ attempts }) => `${attempts}`).sort()).toEqual(['1', '2'])
    expect(receipts[0]?.channel).toBe(receipts[1]?.channel)
    expect(await queues.bodies(queue)).toHaveLength(2)
    await until(() => logger.of('channel.close').length > 0)
    expect(logger.of('channel.close')[0]).toMatchObject({ reason: 'no confirm in 200 ms' })
  })

  test('with no confirm in confirmTimeoutMs, and one connection only, a new one takes the messages', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, confirmTimeoutMs: 150, fastPath })
    const queue = await queues.declare()
    await proxy.set('black-hole')
    const publishing = Promise.all([1, 2, 3].map((n) => pool.publish(numbered(queue, n))))
    await until(() => pool.stats().retries > 0)
    await proxy.set('pass')
    const receipts = await publishing

    for (const { attempts } of receipts) expect(attempts).toBeGreaterThan(1)
    expect(new Set(await queues.bodies(queue))).toEqual(new Set(['1', '2', '3']))
  })

  test('in a black hole without end every publish is settled by its deadline, and says that it is unknown', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, confirmTimeoutMs: 100, publishTimeoutMs: 600, fastPath })
    await proxy.set('black-hole')
    const startedAt = performance.now()
    const errors = await Promise.all(
      Array.from({ length: 50 }, (_, n) => failureOf(pool.publish(numbered(queues.name(), n)))),
    )

    expect(performance.now() - startedAt).toBeLessThan(6_000)
    for (const error of errors) expect(error).toMatchObject({ outcome: 'unknown', retryable: true })
    expect(pool.stats()).toMatchObject({ failures: 50, waiting: 0, bufferedBytes: 0 })
    await proxy.set('pass')
    await pool.publish({ routingKey: await queues.declare(), body: 'back again' }, { timeoutMs: 30_000 })
  })

  test('a confirm that came while the caller held the event loop up is no silence of the broker', async () => {
    const pool = await readyPool({ broker: broker.url, confirmTimeoutMs: 100, fastPath })
    const queue = await queues.declare()
    const first = pool.publish(numbered(queue, 1))
    await untilWritten(pool)
    holdUp(250)
    expect(await first).toMatchObject({ attempts: 1 })

    const second = pool.publish(numbered(queue, 2), { timeoutMs: 100 })
    await untilWritten(pool)
    holdUp(250)
    await second
    expect(pool.stats()).toMatchObject({ confirms: 2, retries: 0, failures: 0, channelsClosed: 0 })
    expect(await queues.bodies(queue)).toEqual(['1', '2'])
  })

  test('resets one after another lose no message', async () => {
    const proxy = await makeProxy(broker.url)
    const pool = await readyPool({ broker: proxy.url, fastPath, publishTimeoutMs: 20_000 })
    const queue = await queues.declare({ durable: false })
    const publishes: Promise<unknown>[] = []
    for (let reset = 0; reset < 3; reset++) {
      for (let n = 0; n < 300; n++) publishes.push(pool.publish(numbered(queue, publishes.length)))
      const { confirms } = pool.stats()
      await until(() => pool.stats().confirms > confirms)
      proxy.reset()
    }
    await Promise.all(publishes)

    expect(new Set(await queues.bodies(queue)).size).toBe(900)
    expect(pool.stats()).toMatchObject({ confirms: 900, failures: 0, inFlight: 0, waiting: 0 })
  })
})

test('a clean close by the other side is a lost connection too', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url })
  const queue = await queues.declare()
  await proxy.set('black-hole-up')
  const publishing = pool.publish(numbered(queue, 1))
  await until(() => pool.stats().inFlight === 1)
  proxy.end()
  await proxy.set('pass')

  expect(await publishing).toMatchObject({ attempts: 2 })
})

test('the nodes of the list are tried in turn', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: [NOWHERE, NOWHERE, broker.url], logger })
  await pool.ready()

  const [opened] = logger.of('connection.open')
  expect(opened).toMatchObject({ attempts: 3 })
  expect(logger.of('connection.retry')).toHaveLength(2)
})

test('a lost and reopened connection is told in the log and in events, without the password', async () => {
  const proxy = await makeProxy(broker.url)
  const logger = new RecordedLog()
  const pool = makePool({ broker: proxy.url, logger })
  const events: string[] = []
  pool.on('connect', ({ connection }) => events.push(`connect ${connection}`))
  pool.on('disconnect', ({ connection }) => events.push(`disconnect ${connection}`))
  await pool.ready()
  await proxy.set('refuse')
  proxy.reset()
  await until(() => logger.of('connection.retry').length > 0)
  expect(pool.state).toBe('connecting')
  await proxy.set('pass')
  await pool.ready()

  expect(events).toEqual(['connect 1', 'disconnect 1', 'connect 1'])
  expect(logger.of('connection.close')[0]).toMatchObject({ level: 'info', connection: 1, reason: expect.any(String) })
  expect(logger.of('connection.retry')[0]).toMatchObject({ level: 'warn', attempt: 1, delayMs: expect.any(Number) })
  expect(pool.stats()).toMatchObject({
    state: 'open',
    connections: 1,
    channels: 1,
    channelsOpened: 2,
    channelsClosed: 1,
  })
  expect(JSON.stringify(logger.records)).not.toContain(`:${new URL(broker.url).password}@`)
})

function numbered(routingKey: string, n: number) {
  return { routingKey, body: `${n}` }
}

/** Resolves as soon as the message has left, before its confirm is likely to have been read. */
async function untilWritten(pool: ProducerPool): Promise<void> {
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  while (pool.stats().inFlight === 0) await turn()
  // amqplib's own publish writes to the socket a turn later.
  await turn()
}

/** Keeps the event loop from turning, as a long computation does. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('a channel that is closed in the same breath as it is opened is left for another', async () => {
  const [selectOk] = CHANNEL_1.ConfirmSelect as readonly [SentMethod]
  await using server = await startScriptedServer({
    ...CHANNEL_1,
    ConfirmSelect: (times) =>
      times === 1 ? [selectOk, closing('ConnectionClose', 320, 'CONNECTION_FORCED')] : [selectOk],
    BasicPublish: [ack(1)],
  })
  const pool = makePool({ broker: server.url, maxChannels: 1 })

  expect(await pool.publish({ routingKey: 'q', body: 'x' })).toMatchObject({ attempts: 1 })
  expect(pool.stats()).toMatchObject({ channelsOpened: 1, failures: 0, channels: 1 })
})

test('a message that does not fit into the frames of the next connection is unknown: it was written before', async () => {
  await using server = await startScriptedServer({
    ...CHANNEL_1,
    BasicPublish: ['hang up'],
    ConnectionStartOk: (times) => {
      const frameMax = times === 1 ? 131_072 : 4_096
      return [{ name: 'ConnectionTune', fields: { channelMax: 2_047, frameMax, heartbeat: 60 } }]
    },
  })
  const pool = await readyPool({ broker: server.url })
  const message = { routingKey: 'q', body: 'x', properties: { headers: { long: 'x'.repeat(10_000) } } }

  const tooLarge = { code: 'ERR_MESSAGE_TOO_LARGE', retryable: false }
  expect(await failureOf(pool.publish(message))).toMatchObject({ ...tooLarge, outcome: 'unknown' })
  expect(await failureOf(pool.publish(message))).toMatchObject({ ...tooLarge, outcome: 'not-sent' })
})

test("a publish that amqplib's own end of the connection cuts off goes out over the next one", async () => {
  await using server = await startScriptedServer({ ...CHANNEL_1, BasicPublish: [ack(1)], ConnectionClose: [] })
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: server.url, fastPath: false, logger })
  // A channel that nobody opened: amqplib closes the connection, and waits for an answer that does not come.
  server.send({ ...ack(1), channel: 77 })
  await until(() => server.count('ConnectionClose') === 1)
  const publishing = pool.publish({ routingKey: 'q', body: 'x' })
  await until(() => logger.of('channel.close').length > 0)
  server.send({ name: 'ConnectionCloseOk' })

  expect(await publishing).toMatchObject({ attempts: 1 })
})
