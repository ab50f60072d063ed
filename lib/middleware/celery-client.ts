import { randomUUID } from 'node:crypto'
import { createCelery } from '../celery/celery.ts'
import type { Kwargs } from '../celery/task.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { CeleryClient } from './publisher-kind.ts'

/** What `celery-node` keeps its settings in. */
interface ClientSettings {
  readonly conf?: { readonly CELERY_QUEUE?: unknown; readonly TASK_PROTOCOL?: unknown }
  asyncResult?(taskId: string): object
}

/**
 * A `sendTask` for a Celery client that publishes through the pool: the full protocol v2 message, to the
 * client's queue, which is declared once per connection. It returns what the client's own returns, at once,
 * with the promise of the broker's confirm as `published` beside it.
 */
export function pooledSendTask(client: CeleryClient, pool: ProducerPool): CeleryClient['sendTask'] {
  const { conf, asyncResult } = client as ClientSettings
  const queue = typeof conf?.CELERY_QUEUE === 'string' ? conf.CELERY_QUEUE : 'celery'
  const app = createCelery({ pool, taskDefaultQueue: queue })

  return function sendTask(this: unknown, name, args = [], kwargs = {}, taskId = randomUUID()) {
    const published = app.sendTask(name, args, kwargs as Kwargs, { taskId })
    const result = asyncResult === undefined ? { taskId } : asyncResult.call(client, taskId)
    return Object.assign(result, { published })
  }
}
