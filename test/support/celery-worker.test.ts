import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect } from '@jest/globals'
import { type ChannelModel, connect } from 'amqplib'
import { useBroker } from './broker.ts'
import { type CeleryWorker, celeryTest, hasCelery, startCeleryWorker } from './celery-worker.ts'

const broker = useBroker()
let worker: CeleryWorker
let connection: ChannelModel

beforeAll(async () => {
  if (!hasCelery()) return
  worker = await startCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })
  connection = await connect(broker.url, { noDelay: true })
}, 90_000)

afterAll(async () => {
  await connection?.close()
  await worker?.stop()
})

interface Result {
  status: string
  result: unknown
}

/** Sends a task as a producer written by hand would, and gives what the worker answers. */
async function call(task: string, args: unknown[], kwargs: Record<string, unknown> = {}): Promise<Result> {
  const channel = await connection.createChannel()
  const { queue: replyTo } = await channel.assertQueue('', { exclusive: true })
  const id = randomUUID()
  const answer = new Promise<Result>((resolve) => {
    void channel.consume(
      replyTo,
      (message) => {
        const result = JSON.parse(message?.content.toString() ?? '{}') as Result
        if (result.status !== 'STARTED') resolve(result)
      },
      { noAck: true },
    )
  })
  channel.publish('', worker.queue, Buffer.from(JSON.stringify([args, kwargs, {}])), {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    correlationId: id,
    replyTo,
    headers: { task, id, lang: 'py', origin: 'a test', argsrepr: 'shown' },
  })
  const result = await answer
  await channel.close()
  return result
}

celeryTest('a real worker runs a task that Node sent', async () => {
  expect(await call('tasks.add', [2, 3])).toMatchObject({ status: 'SUCCESS', result: 5 })
  expect(worker.output()).toContain('tasks.add')
})

celeryTest('echo gives back what the worker was given', async () => {
  const { result } = await call('tasks.echo', [1, 'two', null], { three: [3] })

  expect(result).toEqual({ args: [1, 'two', null], kwargs: { three: [3] } })
})

celeryTest('request_info tells what the worker made of the message', async () => {
  const { result } = await call('tasks.request_info', [1], { a: 2 })

  expect(result).toMatchObject({
    task: 'tasks.request_info',
    args: [1],
    kwargs: { a: 2 },
    origin: 'a test',
    argsrepr: 'shown',
    retries: 0,
    delivery_info: { exchange: '', routing_key: worker.queue },
  })
})

celeryTest('a task that fails answers with its exception', async () => {
  expect(await call('tasks.fail', ['on purpose'])).toMatchObject({
    status: 'FAILURE',
    result: { exc_type: 'ValueError', exc_message: ['on purpose'] },
  })
})

celeryTest(
  'a stopped worker is gone',
  async () => {
    const other = await startCeleryWorker({ brokerUrl: broker.url })
    await other.stop()
    await other.stop()

    expect(existsSync(`/proc/${other.pid}`)).toBe(false)
  },
  60_000,
)
