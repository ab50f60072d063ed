import { AMQPClient } from '@cloudamqp/amqp-client'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'

/**
 * The low-level client, which costs less than the session: one channel in confirm mode, `basicPublish`
 * awaited. It has no option for `noDelay`, and needs none: a message is one write.
 */
export async function connect({ url, queue, toQueue }) {
  const client = new AMQPClient(url)
  const connection = await client.connect()
  const channel = await connection.channel()
  await channel.confirmSelect()

  return {
    version: installedVersion('@cloudamqp/amqp-client'),
    send(number) {
      const { id, headers, body } = celeryMessage(number)
      const properties = {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers,
        deliveryMode: 2,
        priority: 0,
        correlationId: id,
      }
      return channel.basicPublish('', queue, body, properties, toQueue)
    },
    close: () => connection.close(),
  }
}
