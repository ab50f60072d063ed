import { connect as connectAmqplib } from 'amqplib'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'
import { options } from './amqplib.js'

/** One connection; a confirm channel opened, used once and closed on each call. */
export async function connect({ url, queue, toQueue }) {
  const connection = await connectAmqplib(url, { noDelay: true })
  return {
    version: installedVersion('amqplib'),
    send: (number) => publishOnce(connection, queue, toQueue, number),
    close: () => connection.close(),
  }
}

/** Opens a confirm channel, publishes one message, waits for its confirm and closes the channel. */
export async function publishOnce(connection, queue, toQueue, number) {
  const channel = await connection.createConfirmChannel()
  const { id, headers, body } = celeryMessage(number)
  await new Promise((resolve, reject) => {
    channel.publish('', queue, body, options(id, headers, toQueue), (error) => (error ? reject(error) : resolve()))
  })
  await channel.close()
}
