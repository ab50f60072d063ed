import { newTaskId } from '../celery/message/task-id.ts'
import type { CheckedTaskOptions } from '../celery/options/task-option-values.ts'
import { taskName, taskOptions } from '../celery/options/task-options.ts'
import { NOT_CONFIGURED } from '../celery/results/no-results.ts'
import { TaskResults } from '../celery/results/task-results.ts'
import type { Place } from '../celery/routing/destination.ts'
import { QueueDeclaration } from '../celery/routing/queue-declaration.ts'
import type { Kwargs } from '../celery/task.ts'
import { TaskMessages } from '../celery/task-messages.ts'
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
/** Results are the client's own business. */
const NO_RESULTS = new TaskResults(NOT_CONFIGURED)

/**
 * A `sendTask` for a Celery client that publishes through the pool: the full protocol v2 message, to the
 * client's queue, which is declared once per connection. It returns what the client's own returns, at once,
 * with the promise of the broker's confirm as `published` beside it.
 */
export function pooledSendTask(client: CeleryClient, pool: ProducerPool): CeleryClient['sendTask'] {
  const parts = client as ClientParts
  const queues = new Map<unknown, QueueTasks>()

  return (name, args = [], kwargs = {}, taskId) => {
    // Read at each call, as the client does.
    const queue = parts.conf?.CELERY_QUEUE ?? 'celery'
    let tasks = queues.get(queue)
    if (tasks === undefined) {
      tasks = new QueueTasks(queue, pool)
      queues.set(queue, tasks)
    }
    const id = taskId || newTaskId()
    // Before the task is sent: this throws when the client has no result backend that it can use.
    const result = parts.asyncResult?.(id) ?? { taskId: id }
    return Object.assign(result, { published: tasks.send(name, args, kwargs as Kwargs, id, id === taskId) })
  }
}

/** The tasks that go to one queue, each encoded once. */
class QueueTasks {
  readonly #queue: unknown
  readonly #pool: ProducerPool
  readonly #declaration: QueueDeclaration
  readonly #messages = new Map<string, TaskMessages>()

  constructor(queue: unknown, pool: ProducerPool) {
    this.#queue = queue
    this.#pool = pool
    this.#declaration = new QueueDeclaration(queue as string)
  }

  /** @param isGiven whether the id is one of the caller's, which may be no UUID. */
  send(name: string, args: unknown[], kwargs: Kwargs, id: string, isGiven: boolean): Promise<Receipt> {
    try {
      const kept = this.#kept(name)
      const messages = isGiven ? kept.for(this.#place(taskOptions({ taskId: id }, kept.options))) : kept
      const prepared = messages.prepare(id, args, kwargs)
      return this.#pool.send(prepared, undefined, undefined, this.#declaration) as Promise<Receipt>
    } catch (error) {
      return this.#pool.refuse(error as PooledProducerError, name, id)
    }
  }

  #kept(name: string): TaskMessages {
    let messages = this.#messages.get(name)
    if (messages === undefined) {
      const options = taskOptions({ queue: this.#queue as string })
      messages = new TaskMessages(taskName(name), this.#place(options), NO_RESULTS)
      if (this.#messages.size >= MOST_NAMES) this.#messages.clear()
      this.#messages.set(name, messages)
    }
    return messages
  }

  #place(options: CheckedTaskOptions): Place {
    const routingKey = this.#declaration.queue
    return { own: options, options, exchange: '', routingKey, declaration: this.#declaration, delayedKey: undefined }
  }
}
