import { expect, test } from '@jest/globals'
import { useBroker } from '../support/broker.ts'
import { runScript } from '../support/finished-script.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

test.each([
  [1_000_000, 'frames encoded ahead', 'true'],
  // Three times as slow each.
  [200_000, "amqplib's public publish", 'false'],
])(
  'after %d publishes on one channel, with %s, nothing is left of them',
  async (publishes, _, fastPath) => {
    const exchange = await queues.declareExchange()
    const env = { BROKER: broker.url, EXCHANGE: exchange, FAST_PATH: fastPath, PUBLISHES: `${publishes}` }
    const { stdout, stderr, code } = await runScript('million-publishes.ts', env).finished

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ channels: 1, unconfirmed: 0, pending: 0, newListeners: 0 })
    expect(report.stats).toMatchObject({
      publishes,
      confirms: publishes,
      channelsOpened: 1,
      retries: 0,
      inFlight: 0,
      waiting: 0,
      bufferedBytes: 0,
    })
    expect(report.grownBytes).toBeLessThan(10 * 2 ** 20)
  },
  120_000,
)
