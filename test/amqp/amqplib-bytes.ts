import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { ConfirmChannel as RawChannel } from 'amqplib'

const require = createRequire(import.meta.url)

/** A module of amqplib that its `exports` do not show. */
export function amqplibModule(name: string): unknown {
  return require(join(dirname(require.resolve('amqplib')), 'lib', `${name}.js`))
}

const { Connection } = amqplibModule('connection') as { Connection: new (stream: PassThrough) => InnerConnection }
const { ConfirmChannel } = amqplibModule('channel_model') as {
  ConfirmChannel: new (connection: InnerConnection) => RawChannel
}

interface InnerConnection {
  frameMax: number
  channels: { channel: unknown; buffer: { write(bytes: Buffer): boolean } }[]
}

/**
 * The bytes that amqplib itself writes for a publish, by its own channel on its own connection; only what it writes
 * to is ours.
 *
 * @throws what amqplib throws for a message that it cannot encode.
 */
export function amqplibBytes(number: number, frameMax: number, message: Parameters<RawChannel['publish']>): Buffer {
  const written: Buffer[] = []
  const connection = new Connection(new PassThrough())
  connection.frameMax = frameMax
  const channel = Object.assign(new ConfirmChannel(connection), { ch: number })
  connection.channels[number] = { channel, buffer: { write: (bytes) => written.push(bytes) > 0 } }
  channel.publish(...message)
  return Buffer.concat(written)
}
