import { expect } from '@jest/globals'
import { connect } from 'amqplib'
import type { PooledProducerError } from '../../lib/errors.ts'
import { startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makeApp } from '../support/pools.ts'

const QUEUE = 'tasks'
const BATCH = 20
const MOST_OPEN = 1_000

for (const [how, signal, publishTimeoutMs] of [
  ['restarted', 'SIGTERM', 60_000],
  ['killed and started again', 'SIGKILL', 60_000],
  ['killed and started again, with deadlines before its return', 'SIGKILL', 1_000],
] as const) {
  rabbitmqNodeTest(
    `when the broker is ${how} while tasks are published, every confirmed task is in the queue`,
    async () => {
      const node = await startRabbitmqNode()
      afterTest(() => node.stop())
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
      await until(() => confirmed.size > confirmedBefore + MOST_OPEN, 30_000)
      isOver = true
      await Promise.all([sending, caught])

      expect(confirmed.size + failures.length).toBe(sent)
      for (const { code, outcome, taskId } of failures) {
        expect(['ERR_PUBLISH_TIMEOUT', 'ERR_BROKER_UNAVAILABLE']).toContain(code)
        expect(['not-sent', 'unknown']).toContain(outcome)
        expect(taskId).toEqual(expect.any(String))
      }
      if (publishTimeoutMs === 60_000) expect(failures).toEqual([])
      const stored = await idsIn(node.url)
      expect([...confirmed].filter((id) => !stored.has(id))).toEqual([])
      const notSent = failures.filter(({ outcome }) => outcome === 'not-sent').map(({ taskId }) => taskId as string)
      expect(notSent.filter((id) => stored.has(id))).toEqual([])
      expect(app.pool.stats()).toMatchObject({ state: 'open', inFlight: 0, waiting: 0, bufferedBytes: 0 })
    },
    120_000,
  )
}

/** The ids of all tasks in the queue. */
async function idsIn(url: string): Promise<Set<string>> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  const ids = new Set<string>()
  for (;;) {
    const message = await channel.get(QUEUE, { noAck: true })
    if (message === false) break
    ids.add(message.properties.headers?.id)
  }
  await connection.close()
  return ids
}
