import { destinationOf } from '../celery/destination.ts'
import { QueueDeclaration } from '../celery/queue-declaration.ts'
import type { Kwargs } from '../celery/task.ts'
import { newTaskId } from '../celery/task-id.ts'
import { TaskMessages } from '../celery/task-messages.ts'
import { taskName, taskOptions } from '../celery/task-options.ts'
import type { PooledProducerError } from '../errors.ts'
import type { Receipt } from '../pool/pending-publish.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { CeleryClient } from './publisher-kind.ts'

/** What of `celery-node` is used beside the calls that send. */
interface ClientParts {
  readonly conf?: { readonly CELERY_QUEUE?: unknown }
  asyncResult?(taskId: string): object
}

/** Names whose messages are kept encoded. */
const MOST_NAMES = 1_000

/**
 * A `sendTask` for a Celery client that publishes through the pool: the full protocol v2 message, to the
 * client's queue, which is declared once per connection. It returns what the client's own returns, at once,
 * with the promise of the broker's confirm as `published` beside it.
 */
export function pooledSendTask(client: CeleryClient, pool: ProducerPool): CeleryClient['sendTask'] {
  const tasks = new ClientTasks(pool)

  return (name, args = [], kwargs = {}, taskId) => {
    const { conf, asyncResult } = client as ClientParts
    const id = taskId || newTaskId()
    // Before the task is sent: this throws when the client has no result backend that it can use.
    const result = asyncResult === undefined ? { taskId: id } : asyncResult.call(client, id)
    const published = tasks.send(conf?.CELERY_QUEUE ?? 'celery', name, args, kwargs as Kwargs, id, id === taskId)
    return Object.assign(result, { published })
  }
}

/** The tasks of one client, each encoded once. */
class ClientTasks {
  readonly #pool: ProducerPool
  readonly #messages = new Map<string, TaskMessages>()
  /** As in the client's settings, which may change. */
  #queue: unknown
  #declaration: QueueDeclaration | undefined

  constructor(pool: ProducerPool) {
    this.#pool = pool
  }

  /** @param isGiven whether the id is one of the caller's, which may be no UUID. */
  send(queue: unknown, name: string, args: unknown[], kwargs: Kwargs, id: string, isGiven: boolean): Promise<Receipt> {
    try {
      if (queue !== this.#queue) this.#moveTo(queue)
      const kept = this.#kept(name)
      const messages = isGiven ? kept.for(taskOptions({ taskId: id }, kept.options)) : kept
      const prepared = messages.prepare(id, args, kwargs)
      return this.#pool.send(prepared, undefined, undefined, messages.declaration) as Promise<Receipt>
    } catch (error) {
      return this.#pool.refuse(error as PooledProducerError, name, id)
    }
  }

  #moveTo(queue: unknown): void {
    this.#messages.clear()
    this.#declaration = new QueueDeclaration(queue as string)
    this.#queue = queue
  }

  #kept(name: string): TaskMessages {
    let messages = this.#messages.get(name)
    if (messages === undefined) {
      const options = taskOptions({ queue: this.#queue as string })
      messages = new TaskMessages(taskName(name), options, destinationOf(options, ''), this.#declaration)
      if (this.#messages.size >= MOST_NAMES) this.#messages.clear()
      this.#messages.set(name, messages)
    }
    return messages
  }
}
