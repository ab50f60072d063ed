// Very many tasks whose results are awaited; tells what is left of them. Run by many-results.test.ts.
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ChannelModel, connect } from 'amqplib'
import { createCelery } from '../../lib/celery/celery.ts'

const HALF = Number(process.env.TASKS) / 2
const WINDOW = 500
const QUEUE = process.env.QUEUE as string

// Every queue that is declared, on whichever channel.
let declared = 0
const { Channel } = createRequire(import.meta.resolve('amqplib'))('./lib/channel_model.js')
const { assertQueue } = Channel.prototype
Channel.prototype.assertQueue = function (...args: unknown[]) {
  declared++
  return assertQueue.apply(this, args)
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const standIn = process.env.HAS_WORKER === undefined ? await startStandIn() : undefined
const app = createCelery({ broker: process.env.BROKER as string, backend: 'rpc://', logger: false })
const add = app.createTask<[number, number], number>('tasks.add', { queue: QUEUE, deliveryMode: 'transient' })
let wrong = 0

/** A worker that answers each task as Celery 5.2.6 does, STARTED first. */
async function startStandIn(): Promise<ChannelModel> {
  const connection = await connect(process.env.BROKER as string, { noDelay: true })
  const channel = await connection.createChannel()
  await channel.assertQueue(QUEUE, { durable: true })
  await channel.consume(
    QUEUE,
    (message) => {
      if (message === null) return
      const { correlationId, replyTo } = message.properties
      const [[x, y]] = JSON.parse(message.content.toString())
      for (const [status, result] of [
        ['STARTED', { pid: 1, hostname: 'puppet' }],
        ['SUCCESS', x + y],
      ]) {
        const body = JSON.stringify({ task_id: correlationId, status, result, traceback: null, children: [] })
        const properties = { contentType: 'application/json', contentEncoding: 'utf-8', correlationId, deliveryMode: 1 }
        channel.sendToQueue(replyTo, Buffer.from(body), properties)
      }
    },
    { noAck: true },
  )
  return connection
}

/** Half of the tasks, so many at a time; gives the memory that is in use afterwards. */
async function runHalf(): Promise<number> {
  let next = 0
  const runSome = async (): Promise<void> => {
    while (next < HALF) {
      const n = next++
      const result = await add.delay(n, 1)
      if ((await result.get({ timeoutMs: 60_000 })) !== n + 1) wrong++
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, runSome))
  collectGarbage()
  // What finalizers let go of is garbage only now.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const heapFirst = await runHalf()
const heapLast = await runHalf()
const { publishes, confirms, channelsOpened } = app.pool.stats()
const report = {
  declared,
  wrong,
  results: app.resultStats(),
  publishes,
  confirms,
  channelsOpened,
  grownBytes: heapLast - heapFirst,
}
await app.close()
await standIn?.close()
console.log(JSON.stringify(report))
