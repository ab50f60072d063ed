import { expect } from '@jest/globals'
import { startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool } from '../support/pools.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { stateWritten } from '../support/written-state.ts'
import { type FaultRunOptions, onChannel, startFaultRun } from './support/fault-run.ts'
import { useNode } from './support/nodes.ts'

const node = useNode()
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
/** Longer than a node takes to start. */
const PATIENT = { publishTimeoutMs: 60_000 }

async function nodeRun(options: Partial<FaultRunOptions> = {}) {
  const { url } = node()
  const run = await startFaultRun({ ...options, pool: { broker: url, ...PATIENT, ...options.pool }, url })
  await run.warm()
  return run
}

rabbitmqNodeTest(
  'row 1: when the broker is killed, publishing goes on once it is back, and nothing is lost',
  async () => {
    const run = await nodeRun()
    await stateWritten(node())

    await node().kill('SIGKILL')
    await node().start()
    run.brokerIsBack()

    await run.confirmMore(1_000)
    expect(await run.endWithin({ faults: 1 })).toMatchObject({ unknown: 0, notSent: 0 })
  },
)

rabbitmqNodeTest('row 1: while the broker is away every promise is settled by its time limit', async () => {
  const run = await nodeRun({ pool: { publishTimeoutMs: 1_000 } })
  await stateWritten(node())

  await node().kill('SIGKILL')
  await run.fail(run.window * 2)
  await node().start()
  run.brokerIsBack()

  await run.confirmMore(1_000)
  const proof = await run.endWithin({ faults: 1 })
  // Whether any were in flight at that moment is the broker's affair.
  expect(proof.notSent).toBeGreaterThan(0)
  // Where the machine is slow, some run out of time between the broker's return and their confirm.
  const { ERR_BROKER_UNAVAILABLE: away = 0, ERR_PUBLISH_TIMEOUT: late = 0, ...others } = run.failures
  expect([others, away + late]).toEqual([{}, proof.unknown + proof.notSent])
  expect(away).toBeGreaterThan(late)
})

rabbitmqNodeTest(
  'row 2: when the broker is stopped and started in good order, its close is no reason to give up',
  async () => {
    const run = await nodeRun()

    await node().ctl('stop_app')
    await node().ctl('start_app')
    run.brokerIsBack()

    await run.confirmMore(1_000)
    expect(await run.endWithin({ faults: 1 })).toMatchObject({ unknown: 0, notSent: 0 })
    // The socket's end may overtake what the broker says: it resets a connection of which it has not read all.
    expect(run.log.of('connection.close')[0]).toMatchObject({
      reason: expect.stringMatching(/320|CONNECTION_FORCED|CONNECTION-FORCED|ECONNRESET|EPIPE/),
    })
  },
)

rabbitmqNodeTest(
  'row 3: connections that an operator closes are opened again at once, and the messages sent again',
  async () => {
    const run = await nodeRun({ pool: { connections: 2, maxChannels: 4, minChannels: 2 } })

    await node().ctl('close_all_connections', 'by an operator')
    run.brokerIsBack()
    await run.confirmMore(1_000)
    const [pid] = (await node().ctl('list_connections', 'pid', '--no-table-headers')).trim().split('\n')
    await node().ctl('close_connection', `${pid}`, 'by an operator')

    await run.confirmMore(1_000)
    expect(await run.endWithin({ faults: 2 })).toMatchObject({ unknown: 0, notSent: 0 })
    expect(run.log.of('connection.close').map(({ reason }) => reason)).toEqual(
      Array(3).fill(expect.stringContaining('by an operator')),
    )
  },
)

rabbitmqNodeTest(
  'row 9: a broker that is frozen is noticed by its missing confirms, and by heartbeats without them',
  async () => {
    const run = await nodeRun({ pool: { confirmTimeoutMs: 1_000, heartbeatSeconds: 1 } })

    await node().kill('SIGSTOP')
    await until(() => run.pool.state === 'connecting')
    await node().kill('SIGCONT')
    run.brokerIsBack()

    await run.confirmMore(1_000)
    expect(await run.endWithin({ faults: 1 })).toMatchObject({ unknown: 0, notSent: 0 })

    const idle = makePool({ broker: node().url, heartbeatSeconds: 1 })
    await idle.ready()
    await node().kill('SIGSTOP')
    await until(() => idle.state === 'connecting')
    await node().kill('SIGCONT')
    await until(() => idle.state === 'open')
  },
)

rabbitmqNodeTest(
  'row 10: a broker that answers late is waited for within the window, and nothing is sent twice',
  async () => {
    const run = await nodeRun({ pool: { maxInFlight: 32, maxChannels: 2 } })

    for (let n = 0; n < 3; n++) {
      await node().kill('SIGSTOP')
      await until(() => run.pool.stats().inFlight <= 64 && run.pool.stats().waiting > 0)
      const stoppedAt = performance.now()
      await until(() => performance.now() - stoppedAt > 1_000)
      expect(run.pool.stats().channels).toBeLessThanOrEqual(2)
      await node().kill('SIGCONT')
      await run.confirmMore(64)
    }

    const proof = await run.endWithin({ faults: 0 })
    const { confirmMs, retries } = run.pool.stats()
    expect(proof).toMatchObject({ duplicated: 0, unknown: 0, channelsClosedByFault: 0 })
    expect(retries).toBe(0)
    // What it cost is told.
    expect(confirmMs.max).toBeGreaterThan(900)
  },
)

rabbitmqNodeTest(
  'row 11: what a broker allows is asked anew at each connect: a node with smaller frames takes over',
  async () => {
    const other = await startRabbitmqNode({ config: ['frame_max = 8192', 'channel_max = 4'] })
    afterTest(() => other.stop())
    for (const { url } of [node(), other]) await onChannel(url, (channel) => channel.assertQueue('upgrade'))
    const pool = makePool({ broker: [node().url, other.url], maxChannels: 8, publishTimeoutMs: 30_000 })
    const message = { routingKey: 'upgrade', body: 'x'.repeat(50_000), mandatory: true }
    expect(await pool.publish(message)).toMatchObject({ attempts: 1 })

    await node().kill('SIGKILL')
    await pool.publish(message)
    const wideHeaders = { ...message, properties: { headers: { wide: 'x'.repeat(9_000) } } }
    const error = await failureOf(pool.publish(wideHeaders))
    await node().start()

    expect(error).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent' })
    const stored = await onChannel(other.url, (channel) => channel.get('upgrade', { noAck: true }))
    expect(stored).toMatchObject({ content: { length: 50_000 } })
    expect(pool.stats()).toMatchObject({ connections: 1, retries: 0 })
  },
)

for (const [row, what, make, take] of [
  [12, 'its vhost is deleted', (name: string) => ['add_vhost', name], (name: string) => ['delete_vhost', name]],
  [13, 'its user is deleted', undefined, (name: string) => ['delete_user', name]],
  [13, 'its password is changed', undefined, (name: string) => ['change_password', name, 'another']],
] as const) {
  rabbitmqNodeTest(
    `row ${row}: a pool that is connected when ${what} fails at once, by name, without a hot loop`,
    async () => {
      const name = `fault-${row}-${what.length}`
      if (make !== undefined) await node().ctl(...make(name))
      await node().ctl('add_user', name, 's3cret')
      await node().ctl('set_permissions', '-p', make === undefined ? '/' : name, name, '.*', '.*', '.*')
      const log = new RecordedLog('info')
      const url = node().url.replace('guest:guest', `${name}:s3cret`) + (make === undefined ? '' : `/${name}`)
      const pool = makePool({ broker: url, logger: log })
      await pool.publish(GOOD)

      await node().ctl(...take(name))
      // Only a password is not missed before the next connect.
      if (pool.stats().connections > 0) await node().ctl('close_all_connections', 'by an operator')
      await until(() => pool.state === 'refused')
      const errors = await Promise.all(Array.from({ length: 100 }, () => failureOf(pool.publish(GOOD))))

      expect(errors[99]).toMatchObject({ code: 'ERR_BROKER_REFUSED', outcome: 'not-sent', retryable: false })
      expect(errors[99]?.message).toMatch(row === 12 ? /vhost/ : /password/)
      expect(log.of('connection.retry')).toEqual([])
      expect(JSON.stringify(log.records)).not.toContain('s3cret')
      expect(pool.stats()).toMatchObject({ state: 'refused', connections: 0, channels: 0, waiting: 0, inFlight: 0 })
    },
  )
}

rabbitmqNodeTest(
  'row 12: what is published while a vhost is down waits, and goes out once it is up again',
  async () => {
    const vhost = 'fault-12-down'
    await node().ctl('add_vhost', vhost)
    await node().ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')
    const log = new RecordedLog('info')
    const pool = makePool({ broker: `${node().url}/${vhost}`, logger: log, publishTimeoutMs: 30_000 })
    await pool.publish(GOOD)

    await node().ctl('eval', `rabbit_vhost_sup_sup:stop_and_delete_vhost(<<"${vhost}">>).`)
    await node().ctl('close_all_connections', 'its vhost is down')
    await until(() => pool.state === 'connecting')
    const waiting = pool.publish(GOOD)
    await until(() => log.of('connection.retry').length > 0)
    await node().ctl('restart_vhost', '-p', vhost)
    await waiting

    expect(log.of('connection.retry')[0]).toMatchObject({ error: { message: expect.stringMatching(/541 .*is down/) } })
  },
)
