import { connect as connectAmqplib } from 'amqplib'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'

/**
 * amqplib by hand, as its documentation shows for speed: a confirm channel held for ever, a callback per
 * publish, `noDelay`. With more than one connection or channel the publishes go round them in turn.
 */
export async function connect({ url, queue, toQueue, connections = 1, channels = 1 }) {
  const opened = []
  const lanes = []
  for (let index = 0; index < connections; index++) opened.push(await connectAmqplib(url, { noDelay: true }))
  for (let index = 0; index < Math.max(channels, connections); index++) {
    lanes.push(await opened[index % connections].createConfirmChannel())
  }

  let turn = 0
  return {
    version: installedVersion('amqplib'),
    send(number) {
      const channel = lanes[turn++ % lanes.length]
      const { id, headers, body } = celeryMessage(number)
      return new Promise((resolve, reject) => {
        channel.publish('', queue, body, options(id, headers, toQueue), (error) => (error ? reject(error) : resolve()))
      })
    },
    async close() {
      for (const connection of opened) await connection.close()
    },
  }
}

/** The options of one publish as amqplib takes them; the other contestants on amqplib use them too. */
export function options(id, headers, mandatory) {
  return {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers,
    deliveryMode: 2,
    priority: 0,
    correlationId: id,
    mandatory,
  }
}
