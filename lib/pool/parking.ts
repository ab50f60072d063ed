import type { Declaration } from './declarations.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { PublishQueue } from './publish-queue.ts'

type Deliver = (publishes: PendingPublish[], declaration: Declaration) => void

/** Publishes whose queue has still to be declared: they are accepted, and go on once it is. */
export class Parking {
  readonly #queues = new Map<Declaration, PublishQueue>()
  readonly #declare: (declaration: Declaration) => Promise<void>
  readonly #deliver: Deliver
  readonly #newQueue: () => PublishQueue

  constructor(declare: (declaration: Declaration) => Promise<void>, deliver: Deliver, newQueue: () => PublishQueue) {
    this.#declare = declare
    this.#deliver = deliver
    this.#newQueue = newQueue
  }

  hold(publish: PendingPublish, declaration: Declaration): void {
    let queue = this.#queues.get(declaration)
    if (queue === undefined) {
      queue = this.#newQueue()
      this.#queues.set(declaration, queue)
      void this.#release(declaration, queue)
    }
    queue.push(publish)
  }

  /** Whether somebody waits for this one. */
  isHolding(declaration: Declaration): boolean {
    return this.#queues.has(declaration)
  }

  async #release(declaration: Declaration, queue: PublishQueue): Promise<void> {
    await this.#declare(declaration)
    this.#queues.delete(declaration)
    this.#deliver(queue.takeAll(), declaration)
  }
}
