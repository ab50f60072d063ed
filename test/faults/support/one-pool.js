// A process of a cluster, or a worker thread, with a pool of its own. Run by instances.test.ts.
import cluster from 'node:cluster'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'

/** Publishes the pool's name, and tells how the pool fared and by which code an error of its is known. */
export async function publishName(library, name) {
  const { BROKER: broker, QUEUE: routingKey } = process.env
  const pool = library.createProducerPool({ broker, logger: false, name })
  await pool.publish({ routingKey, body: name })
  const { code } = await pool.publish({ routingKey: 'x' }).catch((error) => error)
  const { channelsOpened } = pool.stats()
  await pool.close()
  return { name, code, channelsOpened }
}

if (!isMainThread) {
  parentPort.postMessage(await publishName(await import('../../../dist/index.js'), workerData))
} else if (cluster.isWorker) {
  const report = await publishName(await import('../../../dist/index.js'), process.env.NAME)
  process.send(report, () => process.disconnect())
}
