import { expect } from '@jest/globals'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { runScript } from '../support/finished-script.ts'
import { readyPool } from '../support/pools.ts'
import { type FaultRunOptions, startFaultRun } from './support/fault-run.ts'
import { useNode } from './support/nodes.ts'

const node = useNode()
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
const ALARMS = {
  memory: { raise: ['set_vm_memory_high_watermark', '0.000001'], clear: ['set_vm_memory_high_watermark', '0.4'] },
  disk: { raise: ['set_disk_free_limit', '999GB'], clear: ['set_disk_free_limit', '1MB'] },
} as const

async function nodeRun(pool: FaultRunOptions['pool'] = {}) {
  const { url } = node()
  const run = await startFaultRun({ pool: { broker: url, ...pool }, url })
  await run.warm()
  return run
}

rabbitmqNodeTest(
  'row 41: a full queue refuses by name on a few channels, and takes messages again by itself',
  async () => {
    // Before there are messages: those beyond the limit would be dropped.
    const policy = { 'max-length': 5_000, overflow: 'reject-publish' }
    await node().ctl('set_policy', 'full', '^fault', JSON.stringify(policy))
    const run = await nodeRun({ maxChannels: 4 })

    await run.fail(1_000)
    // Nobody else's messages are held up by it.
    expect(await run.pool.publish(GOOD)).toMatchObject({ attempts: 1 })
    const { channelsOpened } = run.pool.stats()
    await node().ctl('clear_policy', 'full')
    run.brokerIsBack()
    await run.confirmMore(500)

    const proof = await run.endWithin({ faults: 1, recoveryMs: 10_000 })
    expect(run.failures).toEqual({ ERR_NACKED: proof.nacked })
    expect(channelsOpened).toBeLessThan(30)
  },
)

for (const [row, alarm] of [
  [42, 'memory'],
  [43, 'disk'],
] as const) {
  rabbitmqNodeTest(
    `row ${row}: in an alarm for ${alarm} nothing more is written, and all goes out when it is over`,
    async () => {
      const run = await nodeRun({ publishTimeoutMs: 60_000, confirmTimeoutMs: 500 })

      await node().ctl(...ALARMS[alarm].raise)
      await until(() => run.pool.state === 'blocked')
      const inFlight = run.pool.stats().inFlight
      await until(() => run.pool.stats().waiting + inFlight === run.window)
      await node().ctl(...ALARMS[alarm].clear)
      run.brokerIsBack()
      await run.confirmMore(1_000)

      const proof = await run.endWithin({ faults: 0 })
      expect(proof).toMatchObject({ unknown: 0, notSent: 0, duplicated: 0, channelsClosedByFault: 0 })
      expect(run.log.of('connection.blocked')[0]).toMatchObject({ reason: expect.stringContaining(alarm) })
    },
  )

  rabbitmqNodeTest(
    `row ${row}: what waits for the end of an alarm for ${alarm} is rejected by its time limit, as not sent`,
    async () => {
      const run = await nodeRun({ publishTimeoutMs: 800 })

      await node().ctl(...ALARMS[alarm].raise)
      await until(() => run.pool.state === 'blocked')
      await run.fail(run.window * 2)
      await node().ctl(...ALARMS[alarm].clear)
      run.brokerIsBack()
      await run.confirmMore(1_000)

      const proof = await run.endWithin({ faults: 1 })
      expect(proof.notSent).toBeGreaterThanOrEqual(run.window)
      expect(run.failures.ERR_BROKER_BLOCKED).toBe(proof.notSent)
    },
  )
}

for (const [how, kind, bodyBytes, fastPath] of [
  ['tasks', 'tasks', 1_000, true],
  ['small messages', 'messages', 1_000, true],
  ['large messages', 'messages', 500_000, true],
  ["large messages through amqplib's public publish", 'messages', 500_000, false],
] as const) {
  rabbitmqNodeTest(
    `row 42: with ${how} memory stays within maxBufferedBytes and 30 MB, however many are published`,
    async () => {
      const { script, finished } = runScript('../faults/hoarder.ts', {
        BROKER: node().url,
        KIND: kind,
        BODY_BYTES: `${bodyBytes}`,
        FAST_PATH: `${fastPath}`,
      })
      expect(await script.nextLine()).toBe('ready')
      await node().ctl(...ALARMS.memory.raise)
      expect(await script.nextLine()).toBe('full')
      await node().ctl(...ALARMS.memory.clear)
      const { code, stderr, stdout } = await finished

      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const { grownBytes, maxBufferedBytes, codes, stats } = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string)
      expect(grownBytes).toBeLessThan(maxBufferedBytes + 30 * 2 ** 20)
      expect(codes).toEqual(['ERR_POOL_EXHAUSTED'])
      expect(stats).toMatchObject({ waiting: 0, inFlight: 0, bufferedBytes: 0, retries: 0 })
    },
  )
}

rabbitmqNodeTest('row 44: close in an alarm ends within its limit, and reports what was not sent', async () => {
  const pool = await readyPool({ broker: node().url, publishTimeoutMs: 60_000 })
  await node().ctl(...ALARMS.memory.raise)
  const written = failureOf(pool.publish({ ...GOOD, properties: { messageId: 'written' } }))
  await until(() => pool.state === 'blocked')
  const waiting = ['a', 'b', ''].map((id) => {
    return failureOf(pool.publish({ ...GOOD, ...(id === '' ? {} : { properties: { messageId: id } }) }))
  })

  const startedAt = performance.now()
  const report = await pool.close({ timeoutMs: 500 })
  const tookMs = performance.now() - startedAt
  const errors = await Promise.all([written, ...waiting])
  await node().ctl(...ALARMS.memory.clear)

  expect(report).toEqual({ confirmed: 0, unknown: ['written'], notSent: ['a', 'b', ''] })
  expect(errors.map(({ code, outcome }) => `${code} ${outcome}`)).toEqual([
    'ERR_POOL_CLOSED unknown',
    ...Array(3).fill('ERR_POOL_CLOSED not-sent'),
  ])
  expect(tookMs).toBeLessThan(5_000)
})
