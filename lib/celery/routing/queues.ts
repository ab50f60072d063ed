import { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import { DelayedQueueDeclaration, type DelayTopology } from './delayed-delivery.ts'
import { declarationOf } from './queue-declaration.ts'
import { type QueueDefaults, TaskQueue } from './task-queue.ts'

/** What {@link Queues} is made of. */
export interface QueueSettings {
  readonly queues: readonly TaskQueue[]
  readonly defaultQueue: string
  /** Whether a queue that nobody has described is made. */
  readonly isMissingCreated: boolean
  readonly missing: QueueDefaults
}

/** The queues that an app knows: those it was told of, and those that its tasks have named since. */
export class Queues {
  readonly #settings: QueueSettings
  readonly #known = new Map<string, TaskQueue>()
  /** Queues that options describe, by all that they say: a call's own object is another one each time. */
  readonly #described = new Map<string, TaskQueue>()
  readonly #declarations = new Map<TaskQueue, Declaration | undefined>()
  readonly #delayed = new Map<TaskQueue, Declaration>()

  constructor(settings: QueueSettings) {
    this.#settings = settings
    for (const queue of settings.queues) this.#known.set(queue.name, queue)
  }

  /**
   * A queue by its name or as it is; undefined: the default one.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK when it is not known, and missing ones are not created.
   */
  find(queue: string | TaskQueue | undefined): TaskQueue {
    return typeof queue === 'object' ? this.#describe(queue) : this.#named(queue ?? this.#settings.defaultQueue)
  }

  /** What the broker must have before a task goes to the queue. */
  declaration(queue: TaskQueue): Declaration | undefined {
    if (!this.#declarations.has(queue)) this.#declarations.set(queue, declarationOf(queue))
    return this.#declarations.get(queue)
  }

  /** What it must have before a task is delayed on its way to the queue. */
  delayed(queue: TaskQueue, topology: DelayTopology): Declaration {
    let delayed = this.#delayed.get(queue)
    if (delayed === undefined) {
      const own = this.declaration(queue)
      delayed = new DelayedQueueDeclaration(queue, own === undefined ? [topology] : [own, topology])
      this.#delayed.set(queue, delayed)
    }
    return delayed
  }

  #describe(queue: TaskQueue): TaskQueue {
    const key = JSON.stringify(Object.values(queue))
    const same = this.#described.get(key)
    if (same !== undefined) return same
    this.#described.set(key, queue)
    return queue
  }

  #named(name: string): TaskQueue {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const { isMissingCreated, missing } = this.#settings
    if (!isMissingCreated) throw notAmong(name, [...this.#known.keys()])
    const queue = new TaskQueue(name, 'queue', missing, 'ERR_INVALID_TASK')
    this.#known.set(name, queue)
    return queue
  }
}

function notAmong(name: string, known: readonly string[]): PooledProducerError {
  const names = known.length === 0 ? 'which are none' : known.join(', ')
  const text = `queue ${name} is not among taskQueues (${names}), and taskCreateMissingQueues is false`
  return new PooledProducerError('ERR_INVALID_TASK', text, { outcome: 'not-sent' })
}
