import { connect } from 'amqplib'
import { celeryMessage } from '../harness/celery-message.js'
import { options } from './amqplib.js'

/** Messages that the limits write at once. */
export const MESSAGES_PER_WRITE = 100

/** What the limits are made of: amqplib's channel, its socket, and the frames of one message to write there. */
export async function openRawChannel({ url, queue, toQueue }) {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  return { connection, channel, socket: channel.connection.stream, frames: captureFrames(channel, queue, toQueue) }
}

/** The bytes that amqplib writes for one message, taken from the buffer of its channel before they leave. */
function captureFrames(channel, queue, mandatory) {
  const { buffer } = channel.connection.channels[channel.ch]
  const { id, headers, body } = celeryMessage(2)
  let frames
  buffer.write = (chunk) => {
    frames = chunk
    return true
  }
  channel.publish('', queue, body, options(id, headers, mandatory))
  delete buffer.write
  channel.unconfirmed.length = 0
  return frames
}
