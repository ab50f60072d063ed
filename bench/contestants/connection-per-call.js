import { connect as connectAmqplib } from 'amqplib'
import { installedVersion } from '../harness/versions.js'
import { publishOnce } from './channel-per-call.js'

/** A connection and a confirm channel opened and closed on each call, with `noDelay`. */
export async function connect({ url, queue, toQueue }) {
  return {
    version: installedVersion('amqplib'),
    async send(number) {
      const connection = await connectAmqplib(url, { noDelay: true })
      await publishOnce(connection, queue, toQueue, number)
      await connection.close()
    },
    async close() {},
  }
}
