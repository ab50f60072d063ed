import { randomUUID } from 'node:crypto'
import { createClient } from 'celery-node'
import { TASK_NAME } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'

/**
 * celery-node makes its own message (3 headers) and has no confirms: a send counts as done when the message
 * is written, which its own `delay()` does not even tell. It declares its queue on every call, so there is
 * always a queue. `noDelay` goes in by its broker options.
 */
export function connect(settings) {
  return connectWith({ noDelay: true }, settings)
}

/** The same client with the broker options given. */
export async function connectWith(brokerOptions, { url, queue }) {
  const client = createClient(url, url, queue)
  client.conf.CELERY_BROKER_OPTIONS = brokerOptions
  client.conf.CELERY_BACKEND_OPTIONS = brokerOptions
  await client.isReady()

  // Its promise of the write is dropped on the way to the caller; the task's id finds it again.
  const waiting = new Map()
  const publish = client.broker.publish.bind(client.broker)
  client.broker.publish = (body, exchange, routingKey, headers, properties) => {
    const written = publish(body, exchange, routingKey, headers, properties)
    const { resolve, reject } = waiting.get(headers.id)
    waiting.delete(headers.id)
    return written.then(resolve, reject)
  }

  return {
    version: installedVersion('celery-node'),
    send(number) {
      const id = randomUUID()
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        client.sendTask(TASK_NAME, [number, 3], {}, id)
      })
    },
    close: () => client.disconnect(),
  }
}
