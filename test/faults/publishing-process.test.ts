import { expect } from '@jest/globals'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { drain } from '../support/drain.ts'
import { runScript } from '../support/finished-script.ts'
import { makeProxy } from '../support/pools.ts'
import { startFaultRun } from './support/fault-run.ts'

const broker = useBroker()
const UUID = /^[0-9a-f-]{36}$/

/** A process that publishes through a proxy, to a queue of its own. */
async function startPublisher(closeMs: number) {
  const proxy = await makeProxy(broker.url)
  const queue = broker.queueName('publisher')
  const { script, finished } = runScript('../faults/publisher.ts', {
    BROKER: proxy.url,
    QUEUE: queue,
    CLOSE_MS: `${closeMs}`,
  })
  for (let n = 0; n < 1_000; n++) await script.nextLine()
  return { proxy, queue, finished, kill: (signal: NodeJS.Signals) => script.process.kill(signal) }
}

async function storedIn(queue: string): Promise<Set<string>> {
  const ids = new Set<string>()
  await drain(broker.url, queue, ({ properties }) => ids.add(properties.headers?.id))
  return ids
}

function linesOf(stdout: string): { ids: string[]; last: string } {
  const lines = stdout.trimEnd().split('\n')
  return { ids: lines.filter((line) => UUID.test(line)), last: lines.at(-1) as string }
}

rabbitmqTest(
  'row 47: a process that holds its event loop up until the broker hangs up goes on, and loses nothing',
  async () => {
    const run = await startFaultRun({ pool: { broker: broker.url, heartbeatSeconds: 1 }, url: broker.url })
    await run.warm()

    const end = performance.now() + 4_500
    while (performance.now() < end) {
      // What an application computes on the loop.
    }
    run.brokerIsBack()

    await run.confirmMore(1_000)
    // The loop was held up on purpose, so that its delay proves nothing.
    const proof = await run.end()
    expect(proof).toMatchObject({ lost: 0, unexpected: 0, unsettled: 0, unknown: 0, notSent: 0 })
    expect(proof).toMatchObject({ poolBaselineRestored: true })
    expect(proof.duplicated).toBeLessThanOrEqual(run.window)
    expect(proof.recoveryMs).toBeLessThan(2_000)
  },
)

rabbitmqTest(
  'row 66: on SIGTERM what was accepted is settled before close returns, and the process ends with 0',
  async () => {
    const { queue, finished, kill } = await startPublisher(10_000)

    kill('SIGTERM')
    const { code, stderr, stdout } = await finished

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { ids, last } = linesOf(stdout)
    const { report, attempts, settled, outcomes } = JSON.parse(last)
    expect(report).toEqual({ confirmed: expect.any(Number), unknown: [], notSent: [] })
    expect({ settled, outcomes }).toEqual({ settled: attempts, outcomes: {} })
    // All that was sent was confirmed, and is there, and nothing else is.
    expect(ids).toHaveLength(attempts)
    expect(await storedIn(queue)).toEqual(new Set(ids))
  },
)

rabbitmqTest(
  'row 66: where no confirm comes any more, close ends by its limit, names every task, and the process ends with 1',
  async () => {
    const CLOSE_MS = 500
    const { proxy, queue, finished, kill } = await startPublisher(CLOSE_MS)

    await proxy.set('black-hole-down')
    kill('SIGTERM')
    const { code, stderr, stdout } = await finished

    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    const { ids, last } = linesOf(stdout)
    const { report, tookMs, attempts, settled, outcomes } = JSON.parse(last)
    expect(tookMs).toBeLessThan(CLOSE_MS + 4_000)
    expect(settled).toBe(attempts)
    expect(outcomes).toEqual({
      'ERR_POOL_CLOSED unknown': report.unknown.length,
      'ERR_POOL_CLOSED not-sent': report.notSent.length,
    })
    expect(ids.length + report.unknown.length + report.notSent.length).toBe(attempts)

    const stored = await storedIn(queue)
    const unknown = new Set<string>(report.unknown)
    const confirmed = new Set(ids)
    expect(ids.filter((id) => !stored.has(id))).toEqual([])
    expect(report.notSent.filter((id: string) => stored.has(id))).toEqual([])
    expect([...stored].filter((id) => !confirmed.has(id) && !unknown.has(id))).toEqual([])
  },
)

rabbitmqTest('row 67: what a process had logged as confirmed when it was killed is in the queue', async () => {
  const { queue, finished, kill } = await startPublisher(0)

  kill('SIGKILL')
  const { signal, stdout } = await finished

  expect(signal).toBe('SIGKILL')
  const { ids } = linesOf(stdout)
  const stored = await storedIn(queue)
  expect(ids.length).toBeGreaterThanOrEqual(1_000)
  expect(ids.filter((id) => !stored.has(id))).toEqual([])
})
