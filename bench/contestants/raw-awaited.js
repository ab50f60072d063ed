import { installedVersion } from '../harness/versions.js'
import { MESSAGES_PER_WRITE, openRawChannel } from './raw-channel.js'

/**
 * The limit of what can be awaited: the frames of one message made once, those of one turn of the event loop in
 * one write, the acks read by amqplib, and a promise for each. No id, no JSON, no time limit, no sending again:
 * what a client with a promise per message costs before it is one.
 */
export async function connect({ url, queue, toQueue, inFlight }) {
  const { connection, channel, socket, frames } = await openRawChannel({ url, queue, toQueue })
  const block = Buffer.concat(Array.from({ length: MESSAGES_PER_WRITE }, () => frames))

  // By delivery tag; twice what is in flight, because acks come out of order.
  const ring = Array.from({ length: 2 ** Math.ceil(Math.log2(2 * inFlight)) })
  let next = 1
  let oldest = 1
  let unwritten = 0

  channel.on('ack', ({ deliveryTag, multiple }) => {
    if (multiple) while (oldest <= deliveryTag) settle(oldest++)
    else settle(deliveryTag)
  })

  function settle(tag) {
    const place = tag % ring.length
    const resolve = ring[place]
    ring[place] = undefined
    resolve?.()
  }

  function enter(resolve) {
    ring[next++ % ring.length] = resolve
    if (unwritten++ === 0) setImmediate(write)
  }

  function write() {
    for (; unwritten > 0; unwritten -= MESSAGES_PER_WRITE) {
      socket.write(unwritten >= MESSAGES_PER_WRITE ? block : block.subarray(0, unwritten * frames.length))
    }
    unwritten = 0
  }

  return {
    version: installedVersion('amqplib'),
    send: () => new Promise(enter),
    close: () => connection.close(),
  }
}
