import type { PlainChannel } from '../../amqp/connection.ts'
import type { Declaration } from '../../pool/declarations.ts'

/** How long results wait for a process whose connection is away, at most, in milliseconds. */
const LONGEST_WAIT_MS = 600_000

/**
 * The queue that workers send an app's results to. Celery deletes its own with the consumer, so that a lost
 * connection loses the results that are under way; this one is deleted by `close`, or by the broker once nobody
 * has consumed from it for ten minutes. It is durable, because RabbitMQ 4.3 takes no other that several
 * connections may use, and so that it is there again when a broker comes back, before any worker is.
 */
export class ReplyQueue implements Declaration {
  readonly name: string
  isDeclared = false
  readonly queue: string
  readonly #expires: number
  readonly #together = new WeakMap<Declaration, Declaration>()

  constructor(queue: string, resultExpiresMs: number) {
    this.queue = queue
    this.name = `reply queue ${queue}`
    this.#expires = Math.max(1, Math.min(resultExpiresMs, LONGEST_WAIT_MS))
  }

  /** This queue and what a task needs, as one; the same one for the same task. */
  with(own: Declaration | undefined): Declaration {
    if (own === undefined) return this
    let together = this.#together.get(own)
    if (together === undefined) {
      together = new Together(this, own)
      this.#together.set(own, together)
    }
    return together
  }

  async declare(channel: PlainChannel): Promise<string> {
    await channel.assertQueue(this.queue, { durable: true, expires: this.#expires })
    return this.queue
  }

  async delete(channel: PlainChannel): Promise<void> {
    await channel.deleteQueue(this.queue)
  }
}

/** Nothing by itself: the two that it needs are declared, and declared again, each on its own. */
class Together implements Declaration {
  readonly name: string
  isDeclared = false
  readonly queue?: string
  readonly exchange?: string
  readonly needs: readonly Declaration[]

  constructor(replyQueue: ReplyQueue, own: Declaration) {
    this.name = `${own.name}, with ${replyQueue.name}`
    if (own.queue !== undefined) this.queue = own.queue
    if (own.exchange !== undefined) this.exchange = own.exchange
    this.needs = [replyQueue, own]
  }

  async declare(): Promise<void> {
    const missing = this.needs.find(({ isDeclared }) => !isDeclared)
    if (missing !== undefined) throw new Error(`${missing.name} is not declared`)
  }
}
