import { installedVersion } from '../harness/versions.js'
import { MESSAGES_PER_WRITE, openRawChannel } from './raw-channel.js'

/**
 * The limit: the frames of one message made once, written to amqplib's socket 100 messages at a time (a fifth
 * of the window where that is less), the acks read by amqplib and only counted. No id, no JSON, no promise
 * per message: no client that keeps its promises can be cheaper by much.
 */
export async function connect({ url, queue, toQueue, inFlight }) {
  const { connection, channel, socket, frames } = await openRawChannel({ url, queue, toQueue })
  const perWrite = Math.min(MESSAGES_PER_WRITE, Math.max(1, Math.floor(inFlight / 5)))
  const block = Buffer.concat(Array.from({ length: perWrite }, () => frames))

  let published = 0
  let confirmed = 0
  // Tags acked one by one before their turn; all up to `confirmed` are acked and not in here.
  const ahead = new Set()
  let onConfirm = () => {}
  channel.on('ack', ({ deliveryTag, multiple }) => {
    if (multiple || deliveryTag === confirmed + 1) confirmed = Math.max(confirmed, deliveryTag)
    else ahead.add(deliveryTag)
    while (ahead.size > 0 && ahead.delete(confirmed + 1)) confirmed += 1
    onConfirm()
  })

  /** Sends so many messages, never more in flight than the window, and ends with the last confirm. */
  function run(count) {
    const target = published + count
    return new Promise((resolve) => {
      onConfirm = () => {
        for (;;) {
          const size = Math.min(perWrite, target - published)
          if (size === 0 || published + size - confirmed > inFlight) break
          published += size
          socket.write(size === perWrite ? block : block.subarray(0, size * frames.length))
        }
        if (confirmed >= target) resolve()
      }
      onConfirm()
    })
  }

  return { version: installedVersion('amqplib'), run, close: () => connection.close() }
}
