import rabbitmq from 'rabbitmq-client'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'

/** One publisher with confirms and one attempt, `noDelay`. It adds a timestamp to each message by itself. */
export async function connect({ url, queue, toQueue }) {
  const connection = new rabbitmq.Connection({ url, noDelay: true })
  // Its errors reach the sender by the promise; an emitter without a listener would end the process.
  connection.on('error', () => {})
  await connection.onConnect()
  const publisher = connection.createPublisher({ confirm: true, maxAttempts: 1 })

  return {
    version: installedVersion('rabbitmq-client'),
    send(number) {
      const { id, headers, body } = celeryMessage(number)
      const envelope = {
        exchange: '',
        routingKey: queue,
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers,
        durable: true,
        priority: 0,
        correlationId: id,
        mandatory: toQueue,
      }
      return publisher.send(envelope, body)
    },
    async close() {
      await publisher.close()
      await connection.close()
    },
  }
}
