import { withTimeLimit } from '../../amqp/time-limit.ts'
import type { Celery } from '../../celery/celery.ts'
import { integer, MAX_TIMER_MS } from '../../integer.ts'
import { counted } from '../../observe/figures.ts'
import type { Logger } from '../../options.ts'
import type { ProducerPool } from '../../pool/producer-pool.ts'

/**
 * Closes an app, which waits for the confirms of what was accepted, and logs the tasks that got none: their ids are all
 * that is left of them. A pool that is not the app's own is left open, once it has settled what it has accepted.
 *
 * @returns whether all of it got its confirm, or its refusal, in time.
 */
export async function closeApp(
  app: Celery,
  log: Pick<Logger, 'warn'> | undefined,
  timeoutMs: number | undefined,
): Promise<boolean> {
  const report = await app.close(timeoutMs === undefined ? {} : { timeoutMs })
  if (report === undefined) return settled(app.pool, log, timeoutMs)

  const { unknown, notSent } = report
  if (unknown.length + notSent.length === 0) return true
  const left = `${counted(notSent.length, 'task')} not sent and ${unknown.length} whose confirm did not come in time`
  log?.warn({ event: 'shutdown.tasks', unknown, notSent }, `closed with ${left}`)
  return false
}

/** Waits for the outcomes of what another's pool has accepted; those that come later are the other's. */
async function settled(
  pool: ProducerPool,
  log: Pick<Logger, 'warn'> | undefined,
  timeoutMs: number = pool.options.publishTimeoutMs,
): Promise<boolean> {
  try {
    await withTimeLimit(pool.drain(), timeoutMs, () => new Error('too late'))
    return true
  } catch {
    const { unsettled } = pool.counters
    const text = `left a pool open that goes on with ${counted(unsettled, 'publish')} without an outcome in time`
    log?.warn({ event: 'shutdown.tasks', unsettled }, text)
    return false
  }
}

/**
 * Checks a time limit when a server starts, which else were found to be wrong when it ends.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function checkTimeLimit(name: string, timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined) integer(name, timeoutMs, 1, MAX_TIMER_MS)
}
