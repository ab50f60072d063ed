import dns from 'node:dns'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { expect, jest, test } from '@jest/globals'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE } from '../support/pools.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { startFaultRun } from './support/fault-run.ts'

const broker = useBroker()
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

async function proxiedRun(options: Partial<Parameters<typeof startFaultRun>[0]> = {}) {
  const proxy = await makeProxy(broker.url)
  const pool = { broker: proxy.url, confirmTimeoutMs: 500, ...options.pool }
  const run = await startFaultRun({ ...options, pool, url: broker.url })
  await run.warm()
  return { proxy, run }
}

for (const [row, what, mode] of [
  [14, 'both ways are lost without a trace', 'black-hole'],
  [15, 'only the way back is lost', 'black-hole-down'],
] as const) {
  rabbitmqTest(
    `row ${row}: when ${what} the missing confirms are noticed, and publishing resumes in time`,
    async () => {
      const { proxy, run } = await proxiedRun()

      await proxy.set(mode)
      await until(() => run.pool.state === 'connecting')
      await proxy.set('pass')
      run.brokerIsBack()

      await run.confirmMore(1_000)
      const proof = await run.endWithin({ faults: 1 })
      expect(proof).toMatchObject({ unknown: 0, notSent: 0 })
      // What went out was stored, and is stored once more: nobody could know.
      if (mode === 'black-hole-down') expect(proof.duplicated).toBeGreaterThan(0)
      expect(run.log.of('channel.close')[0]).toMatchObject({ reason: 'no confirm in 500 ms' })
    },
  )
}

rabbitmqTest(
  'row 14: with a limit for confirms that is far off, heartbeats find the half-open connection',
  async () => {
    const { proxy, run } = await proxiedRun({
      pool: { confirmTimeoutMs: 60_000, publishTimeoutMs: 30_000, heartbeatSeconds: 1 },
    })

    await proxy.set('black-hole')
    await until(() => run.pool.state === 'connecting')
    await proxy.set('pass')
    run.brokerIsBack()

    await run.confirmMore(1_000)
    await run.endWithin({ faults: 1 })
    expect(run.log.of('connection.close')[0]).toMatchObject({ reason: expect.stringMatching(/heartbeat/i) })
  },
)

rabbitmqTest('row 14: without end, every promise is settled by its time limit, and nothing is held up', async () => {
  const { proxy, run } = await proxiedRun({ pool: { publishTimeoutMs: 1_500 } })

  await proxy.set('black-hole')
  await run.fail(run.window * 2)
  await proxy.set('pass')
  run.brokerIsBack()

  await run.confirmMore(1_000)
  const proof = await run.endWithin({ faults: 1 })
  // What was written may be stored; what was not, never is.
  expect(proof.unknown).toBeGreaterThan(0)
  expect(proof.notSent).toBeGreaterThan(0)
})

for (const [row, how, cut] of [
  [16, 'a reset', 'reset'],
  [17, 'a clean close by something between', 'end'],
] as const) {
  rabbitmqTest(`row ${row}: after ${how} publishing goes on over a new connection`, async () => {
    const { proxy, run } = await proxiedRun()

    proxy[cut]()
    run.brokerIsBack()

    await run.confirmMore(1_000)
    await run.endWithin({ faults: 1 })
    expect(proxy.connections).toBe(2)
  })
}

rabbitmqTest(
  'row 18: a connection that was dropped while idle is found by heartbeats, and not lent again',
  async () => {
    const proxy = await makeProxy(broker.url)
    const pool = makePool({ broker: proxy.url, heartbeatSeconds: 1 })
    await pool.ready()

    await proxy.set('black-hole')
    await until(() => pool.state === 'connecting')
    const acquiring = pool.acquire()
    await proxy.set('pass')
    const producer = await acquiring

    expect(await producer.publish(GOOD)).toMatchObject({ channel: 2, attempts: 1 })
    expect(pool.stats()).toMatchObject({ connections: 1, channels: 1 })
  },
)

rabbitmqTest('row 18: a publish on a connection that nobody knows to be dead goes out again on another', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = makePool({ broker: proxy.url, confirmTimeoutMs: 300 })
  await pool.ready()

  await proxy.set('black-hole')
  const publishing = pool.publish(GOOD)
  await until(() => pool.state === 'connecting')
  await proxy.set('pass')

  expect(await publishing).toMatchObject({ channel: 2, attempts: 2 })
})

rabbitmqTest(
  'row 19: while the port is closed publishes wait, and go out within two seconds of its opening',
  async () => {
    const { proxy, run } = await proxiedRun({ pool: { publishTimeoutMs: 30_000 } })

    await proxy.set('refuse')
    proxy.reset()
    await until(() => run.log.of('connection.retry').length >= 5)
    await proxy.set('pass')
    run.brokerIsBack()

    await run.confirmMore(1_000)
    await run.endWithin({ faults: 1 })
  },
)

test('row 19: a port that nobody listens on is told at once as the cause, and tried again', async () => {
  const log = new RecordedLog('info')
  const pool = makePool({ broker: NOWHERE, publishTimeoutMs: 400, logger: log })
  const error = await failureOf(pool.publish(GOOD))

  expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', outcome: 'not-sent', retryable: true })
  expect((error.cause as Error).cause).toMatchObject({ code: 'ECONNREFUSED' })
  expect(log.of('connection.retry').length).toBeGreaterThan(1)
})

rabbitmqTest('row 20: a server that takes the connection and says nothing holds up nobody', async () => {
  const { proxy, run } = await proxiedRun({ pool: { publishTimeoutMs: 1_000 } })

  await proxy.set('silent')
  proxy.reset()
  await run.fail(run.window)
  await proxy.set('pass')
  run.brokerIsBack()

  await run.confirmMore(1_000)
  await run.endWithin({ faults: 1 })
  expect(run.failures).toEqual({ ERR_BROKER_UNAVAILABLE: expect.any(Number) })
})

test('row 21: a host that has no address is named, without the password, and tried again with pauses', async () => {
  const log = new RecordedLog('info')
  const pool = makePool({ broker: 'amqp://user:s3cret@no-such-host.invalid', publishTimeoutMs: 1_000, logger: log })
  const error = await failureOf(pool.publish(GOOD))

  expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', outcome: 'not-sent', retryable: true })
  expect(error.message).toMatch(/no-such-host\.invalid/)
  // Which of both depends on whether a name server could be asked.
  expect((error.cause as Error).cause).toMatchObject({ code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) })
  expect(`${error.message} ${error.stack} ${JSON.stringify(log.records)}`).not.toContain('s3cret')
  expect(log.of('connection.retry').length).toBeLessThan(10)
})

rabbitmqTest('row 22: the name of a broker is looked up anew at each reconnect', async () => {
  const proxy = await makeProxy(broker.url)
  const elsewhere = await forwarder('127.0.0.2', proxy.port)
  let address = '127.0.0.1'
  const lookedUp = jest.spyOn(dns, 'lookup').mockImplementation(((_host: string, options: object, done: never) => {
    const isAll = (options as { all?: boolean }).all === true
    const answer = done as (error: null, address: unknown, family?: number) => void
    if (isAll) answer(null, [{ address, family: 4 }])
    else answer(null, address, 4)
  }) as never)
  const url = proxy.url.replace('127.0.0.1', 'broker.example')
  const pool = makePool({ broker: url })
  await pool.publish(GOOD)
  expect(elsewhere.connections()).toBe(0)

  address = '127.0.0.2'
  proxy.reset()
  await until(() => elsewhere.connections() === 1)

  expect(await pool.publish(GOOD)).toMatchObject({ attempts: 1 })
  expect(lookedUp.mock.calls.filter(([host]) => host === 'broker.example').length).toBeGreaterThan(1)
})

test('row 23: a web server is told apart from a broker, and not asked again', async () => {
  let connections = 0
  const server = createServer((_, response) => response.end('hello'))
  server.on('connection', () => {
    connections++
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterTest(() => server.close())
  const pool = makePool({ broker: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const error = await failureOf(pool.publish(GOOD))
  await failureOf(pool.publish(GOOD))

  expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', outcome: 'not-sent', retryable: false })
  expect(error.message).toMatch(/not an AMQP 0-9-1 server/)
  expect(connections).toBe(1)
})

rabbitmqTest('row 24: over a slow link publishing slows down, and nothing is given up or sent twice', async () => {
  const { proxy, run } = await proxiedRun({
    // A whole window takes three times as long as a confirm may.
    pool: { confirmTimeoutMs: 1_000, publishTimeoutMs: 30_000, maxChannels: 1 },
    window: 600,
    bodyBytes: 1_000,
  })

  await proxy.set('slow', { bytesPerSecond: 200_000 })
  await run.confirmMore(1_200)
  await proxy.set('pass')

  const proof = await run.endWithin({ faults: 0 })
  expect(proof).toMatchObject({ unknown: 0, duplicated: 0, channelsOpened: 1, channelsClosedByFault: 0 })
  expect(run.pool.stats().retries).toBe(0)
})

rabbitmqTest('row 25: frames that arrive byte by byte are read as any others', async () => {
  const { proxy, run } = await proxiedRun({ window: 4 })

  await proxy.set('slice')
  await run.confirmMore(20)
  await proxy.set('pass')

  expect(await run.endWithin({ faults: 0 })).toMatchObject({ duplicated: 0, channelsClosedByFault: 0 })
})

rabbitmqTest('row 26: a network that comes and goes is met with pauses, not with a storm of connections', async () => {
  const { proxy, run } = await proxiedRun({ pool: { publishTimeoutMs: 30_000 } })
  const FLAPS = 5

  for (let n = 0; n < FLAPS; n++) {
    await proxy.set('refuse')
    proxy.reset()
    await until(() => run.log.of('connection.retry').length > n)
    await proxy.set('pass')
    await run.confirmMore(200)
  }
  run.brokerIsBack()

  await run.confirmMore(500)
  await run.endWithin({ faults: FLAPS })
  expect(proxy.connections).toBe(1 + FLAPS)
  expect(run.log.of('connection.retry').length).toBeLessThan(FLAPS * 6)
})

/** Forwards connections to a port of 127.0.0.1, from an address where the fault proxy does not listen. */
async function forwarder(host: string, port: number): Promise<{ connections(): number }> {
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    const target = connect(port, '127.0.0.1')
    for (const end of [socket, target]) end.on('error', () => {})
    socket.pipe(target).pipe(socket)
    afterTest(() => {
      socket.destroy()
      target.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  afterTest(() => server.close())
  return { connections: () => connections }
}
