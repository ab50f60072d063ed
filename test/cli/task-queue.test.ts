import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type ConfirmChannel, connect } from 'amqplib'
import { TASK_NAME } from '../../lib/cli/task-arrivals.ts'
import { TaskQueue } from '../../lib/cli/task-queue.ts'
import { useBroker } from '../support/broker.ts'

const broker = useBroker()
let channel: ConfirmChannel
let queue: TaskQueue
let end: () => Promise<void>

beforeEach(async () => {
  const connection = await connect(broker.url, { noDelay: true })
  end = () => connection.close()
  channel = await connection.createConfirmChannel()
  queue = await TaskQueue.open(broker.url, 'test')
})

afterEach(async () => {
  await queue.close()
  await end()
})

async function send(id: string, body: unknown): Promise<void> {
  channel.sendToQueue(queue.name, Buffer.from(JSON.stringify(body)), {
    headers: { task: TASK_NAME, id },
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    correlationId: id,
    deliveryMode: 2,
  })
  await channel.waitForConfirms()
}

test('what was sent is received, and what arrived too often is counted', async () => {
  await send('a', [[0, 1], {}, {}])
  await send('a', [[0, 1], {}, {}])
  await send('b', [[1, 2], {}, {}])
  await send('b', [[1, 2], {}, {}])

  expect(await queue.receive(['a', 'b'])).toMatchObject({ lost: 0, altered: 0, duplicated: 2 })
})

test('the queue is empty after each count', async () => {
  await send('a', [[0, 1], {}, {}])
  await queue.receive(['a'])
  await send('b', [[0, 1], {}, {}])

  expect(await queue.receive(['b'])).toMatchObject({ lost: 0, duplicated: 0 })
})

test('what does not arrive while the queue is quiet is lost', async () => {
  await send('a', [[0, 1], {}, {}])

  expect(await queue.receive(['a', 'b', 'c'], 50)).toMatchObject({ lost: 2, altered: 0, duplicated: 0 })
})

test('the queue is deleted at the end', async () => {
  await queue.close()
  channel.on('error', () => {})

  await expect(channel.checkQueue(queue.name)).rejects.toThrow('NOT_FOUND')
})
