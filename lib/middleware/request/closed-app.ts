import type { Celery } from '../../celery/celery.ts'
import { integer, MAX_TIMER_MS } from '../../integer.ts'
import { counted } from '../../observe/figures.ts'
import type { Logger } from '../../options.ts'
import type { CloseReport } from '../../pool/shutdown.ts'

/**
 * Closes an app and its pool, which waits for the confirms of what was accepted, and logs the tasks that got none:
 * their ids are all that is left of them.
 */
export async function closeApp(
  app: Celery,
  log: Pick<Logger, 'warn'> | undefined,
  timeoutMs: number | undefined,
): Promise<CloseReport> {
  const report = await app.pool.close(timeoutMs === undefined ? {} : { timeoutMs })
  // Its connections for results would keep the process running, and whoever waits for a result waiting.
  await app.close()
  const { unknown, notSent } = report
  if (unknown.length + notSent.length > 0) {
    const text = `closed with ${counted(notSent.length, 'task')} not sent and ${unknown.length} whose confirm did not come in time`
    log?.warn({ event: 'shutdown.tasks', unknown, notSent }, text)
  }
  return report
}

/**
 * Checks a time limit when a server starts, which else were found to be wrong when it ends.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function checkTimeLimit(name: string, timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined) integer(name, timeoutMs, 1, MAX_TIMER_MS)
}
