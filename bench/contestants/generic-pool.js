import { connect as connectAmqplib } from 'amqplib'
import genericPool from 'generic-pool'
import { celeryMessage } from '../harness/celery-message.js'
import { installedVersion } from '../harness/versions.js'
import { options } from './amqplib.js'

/**
 * generic-pool around amqplib's confirm channels: acquire, publish, release as soon as the message is
 * written, then wait for the confirm. To hold the channel until the confirm would be slower by far.
 */
export async function connect({ url, queue, toQueue }) {
  const connection = await connectAmqplib(url, { noDelay: true })
  const pool = genericPool.createPool(
    { create: () => connection.createConfirmChannel(), destroy: (channel) => channel.close() },
    { min: 1, max: 8, fifo: false },
  )
  await pool.ready()

  return {
    version: `${installedVersion('generic-pool')}, amqplib ${installedVersion('amqplib')}`,
    async send(number) {
      const { id, headers, body } = celeryMessage(number)
      const channel = await pool.acquire()
      const confirmed = new Promise((resolve, reject) => {
        channel.publish('', queue, body, options(id, headers, toQueue), (error) => (error ? reject(error) : resolve()))
      })
      await pool.release(channel)
      await confirmed
    },
    async close() {
      await pool.drain()
      await pool.clear()
      await connection.close()
    },
  }
}
