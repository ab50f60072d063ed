import { expect } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { celeryTest, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { runScript } from '../support/finished-script.ts'

const broker = useBroker()
const TASKS = 50_000
/** With the four messages that it fetches by default a worker waits for the broker after each. */
const FETCHES_AHEAD = ['--prefetch-multiplier', '250']

celeryTest(
  `after ${TASKS} results of a real worker were awaited nothing is left of them, and no queue was declared for any`,
  async () => {
    const worker = await startCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://', args: FETCHES_AHEAD })
    afterTest(() => worker.stop())
    const env = { BROKER: broker.url, QUEUE: worker.queue, TASKS: `${TASKS}`, HAS_WORKER: 'yes' }
    const { stdout, stderr, code } = await runScript('many-results.ts', env).finished

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { grownBytes, channelsOpened, ...report } = JSON.parse(stdout)
    expect(report).toEqual({
      // The tasks' queue, and the app's own for results on each of two connections.
      declared: 3,
      wrong: 0,
      results: { waiting: 0, kept: 0, keptBytes: 0, received: TASKS, dropped: 0, evicted: 0 },
      publishes: TASKS,
      confirms: TASKS,
    })
    expect(channelsOpened).toBeLessThan(10)
    expect(grownBytes).toBeLessThan(4 * 2 ** 20)
  },
  600_000,
)
