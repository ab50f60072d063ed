import { createClient } from 'celery-node'
import { withPooledProducer } from '../../dist/index.js'
import { TASK_NAME } from '../harness/celery-message.js'
import { installedVersion, ownVersion } from '../harness/versions.js'

/** celery-node under `withPooledProducer()`: the full v2 message, confirmed; its `.published` is awaited. */
export async function connect({ url, queue }) {
  const original = createClient(url, url, queue)
  const client = withPooledProducer(original, { broker: url, logger: false })
  const add = client.createTask(TASK_NAME)
  await client.producerPool.ready()

  return {
    version: `${ownVersion()}, celery-node ${installedVersion('celery-node')}`,
    send: (number) => add.delay(number, 3).published,
    async close() {
      await client.producerPool.close()
      await original.disconnect()
    },
  }
}
