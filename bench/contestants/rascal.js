import rascal from 'rascal'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'

/** Its pool holds a channel from publish to confirm, so the pool's size bounds what is in flight. */
const MAX_POOL = 100

/**
 * One publication with confirms through its pool of confirm channels, the pool as large as the messages in
 * flight up to 100 (its default is 5), `noDelay`.
 */
export async function connect({ url, queue, toQueue, inFlight }) {
  const max = Math.min(Math.max(inFlight, 5), MAX_POOL)
  const config = rascal.withDefaultConfig({
    vhosts: {
      '/': {
        connection: { url, options: { channelMax: MAX_POOL + 10 }, socketOptions: { noDelay: true } },
        publicationChannelPools: { confirmPool: { max, min: 1, autostart: true } },
        exchanges: [''],
        publications: { task: { exchange: '', routingKey: queue, confirm: true } },
      },
    },
  })
  const broker = await rascal.BrokerAsPromised.create(config)
  broker.on('error', () => {})

  return {
    version: `${installedVersion('rascal')}, amqplib ${installedVersion('amqplib')}`,
    async send(number) {
      const { id, headers, body } = celeryMessage(number)
      const publication = await broker.publish('task', body, {
        options: {
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          headers,
          deliveryMode: 2,
          priority: 0,
          correlationId: id,
          // Given, or it would make a second uuid.
          messageId: id,
          mandatory: toQueue,
        },
      })
      await new Promise((resolve, reject) => {
        publication.once('success', resolve)
        publication.once('error', reject)
        publication.once('return', () => reject(new Error('returned')))
      })
    },
    close: () => broker.shutdown(),
  }
}
