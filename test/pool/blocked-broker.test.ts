import { afterAll, describe, expect } from '@jest/globals'
import { type RabbitmqNode, startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { readyPool } from '../support/pools.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
const NO_MEMORY = '0.000001'
const DEFAULT_MEMORY = '0.4'

// Started by the first test: where none can be started, no test runs.
let node: RabbitmqNode | undefined
afterAll(() => node?.stop())

describe.each(WRITE_PATHS)('while the broker is out of memory, with %s,', (_, fastPath) => {
  rabbitmqNodeTest(
    'publishes wait, end by their deadlines with the real cause, and go out when it has memory again',
    async () => {
      node ??= await startRabbitmqNode()
      const logger = new RecordedLog()
      const pool = await readyPool({ broker: node.url, fastPath, logger, confirmTimeoutMs: 300 })
      const events: string[] = []
      pool.on('blocked', ({ reason }) => events.push(`blocked: ${reason}`))
      pool.on('unblocked', ({ blockedMs }) => events.push(blockedMs > 0 ? 'unblocked' : 'unblocked in no time'))
      await node.ctl('set_vm_memory_high_watermark', NO_MEMORY)
      // RabbitMQ blocks a connection when it publishes.
      const first = pool.publish(GOOD, { timeoutMs: 30_000 })
      await until(() => pool.state === 'blocked')

      const error = await failureOf(pool.publish(GOOD, { timeoutMs: 600 }))
      expect(error).toMatchObject({ code: 'ERR_BROKER_BLOCKED', outcome: 'not-sent', retryable: true })
      expect(pool.stats()).toMatchObject({ state: 'blocked', channelsClosed: 0, retries: 0 })
      const waiting = Promise.all(Array.from({ length: 100 }, () => pool.publish(GOOD, { timeoutMs: 30_000 })))
      expect(pool.stats().waiting).toBe(100)

      await node.ctl('set_vm_memory_high_watermark', DEFAULT_MEMORY)
      await Promise.all([first, waiting])
      expect(pool.state).toBe('open')
      expect(events).toEqual([expect.stringMatching(/^blocked: .*memory/), 'unblocked'])
      expect(pool.stats()).toMatchObject({ confirms: 101, failures: 1, channelsClosed: 0, retries: 0 })
      expect(logger.of('connection.blocked')).toEqual([expect.objectContaining({ level: 'warn', connection: 1 })])
      expect(logger.of('connection.unblocked')).toEqual([
        expect.objectContaining({ level: 'warn', connection: 1, blockedMs: expect.any(Number) }),
      ])
    },
    60_000,
  )

  rabbitmqNodeTest(
    'close ends in time and tells what was not sent',
    async () => {
      node ??= await startRabbitmqNode()
      const pool = await readyPool({ broker: node.url, fastPath })
      await node.ctl('set_vm_memory_high_watermark', NO_MEMORY)
      const written = failureOf(pool.publish({ ...GOOD, properties: { headers: { id: 'written' } } }))
      await until(() => pool.state === 'blocked')
      const waiting = failureOf(pool.publish({ ...GOOD, properties: { headers: { id: 'waiting' } } }))
      const startedAt = performance.now()
      const report = await pool.close({ timeoutMs: 200 })

      expect(performance.now() - startedAt).toBeLessThan(8_000)
      expect(report).toEqual({ confirmed: 0, unknown: ['written'], notSent: ['waiting'] })
      expect(await written).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'unknown' })
      expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent' })
      await node.ctl('set_vm_memory_high_watermark', DEFAULT_MEMORY)
    },
    60_000,
  )
})
