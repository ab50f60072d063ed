import { afterAll, expect } from '@jest/globals'
import type { PooledProducerError } from '../../lib/errors.ts'
import { type RabbitmqNode, startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { drain } from '../support/drain.ts'
import { makeApp } from '../support/pools.ts'

const QUEUE = 'tasks'
const BATCH = 20
const MOST_OPEN = 1_000

// One for all: each test leaves it running, with an empty queue.
let node: RabbitmqNode | undefined
afterAll(() => node?.stop())

for (const [how, signal, publishTimeoutMs] of [
  ['restarted', 'SIGTERM', 60_000],
  ['killed and started again', 'SIGKILL', 60_000],
  ['killed and started again, with deadlines before its return', 'SIGKILL', 1_000],
] as const) {
  rabbitmqNodeTest(
    `when the broker is ${how} while tasks are published, every confirmed task is in the queue`,
    async () => {
      node ??= await startRabbitmqNode()
      const app = makeApp({ broker: node.url, publishTimeoutMs })
      const task = app.createTask('tasks.add', { queue: QUEUE })
      const [confirmed, failures] = [new Set<string>(), [] as PooledProducerError[]]
      let sent = 0
      const send = () => {
        sent++
        return task.delay(sent).then(
          ({ taskId }) => confirmed.add(taskId),
          (error) => failures.push(error),
        )
      }

      let isOver = false
      const sending = (async () => {
        const open: Promise<unknown>[] = []
        while (!isOver) {
          for (let n = 0; n < BATCH; n++) open.push(send())
          await new Promise((resolve) => setImmediate(resolve))
          await until(() => sent - confirmed.size - failures.length < MOST_OPEN, 60_000)
        }
        await Promise.all(open)
      })()
      await until(() => confirmed.size > 500)
      // Nothing of these is settled when the broker goes.
      const caught = Promise.all(Array.from({ length: 200 }, send))
      await node.kill(signal)
      const confirmedBefore = confirmed.size
      if (publishTimeoutMs < 5_000) await until(() => failures.length > 0)
      await node.start()
      await until(() => confirmed.size > confirmedBefore + MOST_OPEN)
      isOver = true
      await Promise.all([sending, caught])

      expect(confirmed.size + failures.length).toBe(sent)
      for (const { code, outcome, taskId } of failures) {
        expect(['ERR_PUBLISH_TIMEOUT', 'ERR_BROKER_UNAVAILABLE']).toContain(code)
        expect(['not-sent', 'unknown']).toContain(outcome)
        expect(taskId).toEqual(expect.any(String))
      }
      if (publishTimeoutMs === 60_000) expect(failures).toEqual([])
      const stored = new Set<string>()
      await drain(node.url, QUEUE, ({ properties }) => stored.add(properties.headers?.id))
      expect([...confirmed].filter((id) => !stored.has(id))).toEqual([])
      const notSent = failures.filter(({ outcome }) => outcome === 'not-sent').map(({ taskId }) => taskId as string)
      expect(notSent.filter((id) => stored.has(id))).toEqual([])
      expect(app.pool.stats()).toMatchObject({ state: 'open', inFlight: 0, waiting: 0, bufferedBytes: 0 })
    },
    120_000,
  )
}
