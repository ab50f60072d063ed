// Very many publishes on one channel; tells what is left of them. Run by million-publishes.test.ts.
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createProducerPool } from '../../lib/index.ts'

const HALF = Number(process.env.PUBLISHES) / 2
const BATCH = 1_000

interface RawChannel {
  readonly unconfirmed: unknown[]
  readonly pending: unknown[]
  readonly connection: { readonly stream: NodeJS.EventEmitter }
  eventNames(): (string | symbol)[]
  listenerCount(name: string | symbol): number
}

// The pool shows none of amqplib's channels; those that it opens pass here.
const channels: RawChannel[] = []
const require = createRequire(import.meta.resolve('amqplib'))
const { ChannelModel } = require('./lib/channel_model.js')
const { createConfirmChannel } = ChannelModel.prototype
ChannelModel.prototype.createConfirmChannel = async function (...args: unknown[]) {
  const channel = await createConfirmChannel.apply(this, args)
  channels.push(channel)
  return channel
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const pool = createProducerPool({
  broker: process.env.BROKER as string,
  fastPath: process.env.FAST_PATH === 'true',
  maxChannels: 1,
  logger: false,
})
const message = {
  exchange: process.env.EXCHANGE as string,
  routingKey: '',
  body: 'x'.repeat(100),
  properties: { headers: { task: 'tasks.add', id: '2d1ea1b0-7c5c-4f7e-9a6e-0f4f6a3d8b11' }, deliveryMode: 1 },
}

async function publishHalf(): Promise<number> {
  for (let count = 0; count < HALF; count += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, () => pool.publish(message)))
  }
  collectGarbage()
  // What finalizers let go of is garbage only now.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  return process.memoryUsage.rss()
}

function listeners(): number {
  let count = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  for (const channel of channels) {
    for (const emitter of [channel, channel.connection.stream]) {
      for (const name of emitter.eventNames()) count += emitter.listenerCount(name)
    }
  }
  return count
}

await pool.ready()
const listenersBefore = listeners()
const rssFirst = await publishHalf()
const rssLast = await publishHalf()
const report = {
  stats: pool.stats(),
  channels: channels.length,
  grownBytes: rssLast - rssFirst,
  unconfirmed: channels[0]?.unconfirmed.length,
  pending: channels[0]?.pending.length,
  newListeners: listeners() - listenersBefore,
}
await pool.close()
console.log(JSON.stringify(report))
