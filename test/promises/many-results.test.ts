import { expect, test } from '@jest/globals'
import { connect } from 'amqplib'
import type { PooledProducerError } from '../../lib/errors.ts'
import { startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { answerBody, answerProperties } from '../celery/results/answers.ts'
import { rabbitmqNodeTest, useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { runScript } from '../support/finished-script.ts'
import { makeApp } from '../support/pools.ts'

const broker = useBroker()
const TASKS = 50_000

test(`after ${TASKS} tasks whose results were awaited, nothing is left of them, and no queue was declared for any`, async () => {
  const env = { BROKER: broker.url, QUEUE: broker.queueName(), TASKS: `${TASKS}` }
  const { stdout, stderr, code } = await runScript('many-results.ts', env).finished

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { grownBytes, ...report } = JSON.parse(stdout)
  expect(report).toEqual({
    // The worker declares the tasks' queue; the app that one and its own for results, on each of two connections.
    declared: 4,
    wrong: 0,
    results: { waiting: 0, kept: 0, keptBytes: 0, received: 2 * TASKS, dropped: 0, evicted: 0 },
    publishes: TASKS,
    confirms: TASKS,
    channelsOpened: expect.any(Number),
  })
  expect(report.channelsOpened).toBeLessThan(10)
  expect(grownBytes).toBeLessThan(4 * 2 ** 20)
}, 240_000)

rabbitmqNodeTest(
  'when the broker restarts, what is awaited ends in a result or in a named error by its deadline',
  async () => {
    const node = await startRabbitmqNode()
    afterTest(() => node.stop())
    const app = makeApp({ broker: node.url, backend: 'rpc://', publishTimeoutMs: 60_000 })
    const task = app.createTask<[number], number>('tasks.echo', { queue: 'tasks' })
    const before = await Promise.all(Array.from({ length: 40 }, (_, n) => task.delay(n)))
    const replyTo = await replyToOf(node.url)
    const waits = before.map((result, n) => result.get({ timeoutMs: n < 20 ? 150_000 : 4_000 }))
    const outcomes = Promise.allSettled(waits)

    await node.kill('SIGTERM')
    await node.start()
    // The worker is back sooner than we may be, and has ended half of what it had.
    await answer(
      node.url,
      replyTo,
      before.slice(0, 20).map(({ taskId }) => taskId),
    )
    const settled = await outcomes

    expect(settled.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => ({ status: 'fulfilled', value: 'done' })))
    for (const outcome of settled.slice(20)) {
      expect(outcome.status).toBe('rejected')
      expect((outcome as { reason: PooledProducerError }).reason.code).toBe('ERR_RESULT_TIMEOUT')
    }
    expect(app.resultStats()).toMatchObject({ waiting: 0, kept: 0 })
    const after = await task.delay(1)
    await answer(node.url, replyTo, [after.taskId])
    expect(await after.get({ timeoutMs: 30_000 })).toBe('done')
    await until(() => app.pool.state === 'open')
  },
  180_000,
)

async function replyToOf(url: string): Promise<string> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  const message = await channel.get('tasks')
  await connection.close()
  return message === false ? '' : (message.properties.replyTo as string)
}

async function answer(url: string, replyTo: string, taskIds: readonly string[]): Promise<void> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  for (const taskId of taskIds) {
    channel.sendToQueue(replyTo, Buffer.from(answerBody({ taskId, result: 'done' })), answerProperties(taskId))
  }
  await channel.waitForConfirms()
  await connection.close()
}
