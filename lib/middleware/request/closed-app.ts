import type { Celery } from '../../celery/celery.ts'
import type { Logger } from '../../options.ts'
import type { CloseReport } from '../../pool/shutdown.ts'

/**
 * Closes an app's pool, which waits for the confirms of what was accepted, and logs the tasks that got none: their
 * ids are all that is left of them.
 */
export async function closeApp(
  app: Celery,
  log: Pick<Logger, 'warn'> | undefined,
  timeoutMs: number | undefined,
): Promise<CloseReport> {
  const report = await app.pool.close(timeoutMs === undefined ? {} : { timeoutMs })
  const { unknown, notSent } = report
  if (unknown.length + notSent.length > 0) {
    const text = `closed with ${notSent.length} tasks not sent and ${unknown.length} whose confirm did not come in time`
    log?.warn({ event: 'shutdown.tasks', unknown, notSent }, text)
  }
  return report
}
