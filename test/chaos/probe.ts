import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'amqplib'
import { withTimeLimit } from '../../lib/amqp/time-limit.ts'
import { PROBE } from './arrivals.ts'

const ATTEMPT_LIMIT_MS = 5_000
const PAUSE_MS = 20

/**
 * Resolves when a client of plain amqplib can publish to each queue through each of the URLs: only then can the
 * broker be reached, whatever the fault was. Gives how long the slowest needed from connecting to the last confirm, in
 * milliseconds: on a machine with much else to do a pool needs that too.
 *
 * @throws {Error} after the time given.
 */
export async function untilReachable(
  urls: readonly string[],
  queues: readonly string[],
  limitMs: number,
): Promise<number> {
  const deadline = performance.now() + limitMs
  const times = urls.map(async (url) => {
    for (;;) {
      const startedAt = performance.now()
      try {
        await withTimeLimit(publishAll(url, queues), ATTEMPT_LIMIT_MS, () => new Error('no confirm in time'))
        return performance.now() - startedAt
      } catch (cause) {
        if (performance.now() > deadline) throw new Error(`no queue could be reached in ${limitMs} ms`, { cause })
      }
      await delay(PAUSE_MS)
    }
  })
  return Math.round(Math.max(...(await Promise.all(times))))
}

async function publishAll(url: string, queues: readonly string[]): Promise<void> {
  const model = await connect(url, { noDelay: true, timeout: ATTEMPT_LIMIT_MS })
  model.on('error', () => {})
  try {
    const channel = await model.createConfirmChannel()
    channel.on('error', () => {})
    let returned = 0
    channel.on('return', () => {
      returned++
    })
    for (const queue of queues) channel.sendToQueue(queue, Buffer.from(PROBE), { mandatory: true, persistent: true })
    await channel.waitForConfirms()
    if (returned > 0) throw new Error(`${returned} queues are not there`)
  } finally {
    model.close().catch(() => {})
  }
}
