import { connect as connectManager } from 'amqp-connection-manager'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'
import { options } from './amqplib.js'

/** One channel wrapper, confirms on (its default), `noDelay` through its connection options. */
export async function connect({ url, queue, toQueue }) {
  const connection = connectManager([url], { connectionOptions: { noDelay: true } })
  const channel = connection.createChannel({ confirm: true })
  await channel.waitForConnect()

  return {
    version: `${installedVersion('amqp-connection-manager')}, amqplib ${installedVersion('amqplib')}`,
    send(number) {
      const { id, headers, body } = celeryMessage(number)
      return channel.publish('', queue, body, options(id, headers, toQueue))
    },
    async close() {
      await channel.close()
      await connection.close()
    },
  }
}
