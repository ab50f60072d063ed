import { createCelery } from '../../dist/index.js'
import { TASK_NAME } from '../harness/celery-message.js'
import { ownVersion } from '../harness/versions.js'
import { patience } from './pooled-producer.js'

const BATCH = 100

/** `delayMany()`: batches of 100, or of all that may be in flight where that is less, each awaited as one promise. */
export async function connect({ url, queue, toQueue, inFlight }) {
  const app = createCelery({ broker: url, logger: false, ...patience(inFlight) })
  const add = app.createTask(TASK_NAME, { queue, declare: toQueue, mandatory: toQueue })
  await app.pool.ready()

  const size = Math.min(BATCH, inFlight)
  return {
    version: ownVersion(),
    async run(count) {
      let left = count
      const lane = async () => {
        while (left > 0) {
          const calls = Array.from({ length: Math.min(size, left) }, (_, index) => [[left - index, 3]])
          left -= calls.length
          const outcomes = await add.delayMany(calls)
          const failed = outcomes.find((outcome) => outcome.error !== undefined)
          if (failed) throw failed.error
        }
      }
      await Promise.all(Array.from({ length: Math.floor(inFlight / size) }, lane))
    },
    close: () => app.pool.close(),
  }
}
