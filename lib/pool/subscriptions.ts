import type { Connection } from '../amqp/connection.ts'
import type { EventLog } from '../observe/log.ts'
import { Subscription, type SubscriptionRequest } from './subscription.ts'

/** The subscriptions of one pool, all on one connection. */
export class Subscriptions {
  readonly #connection: Connection
  readonly #log: EventLog
  readonly #open = new Set<Subscription>()

  constructor(connection: Connection, log: EventLog) {
    this.#connection = connection
    this.#log = log
  }

  add(request: SubscriptionRequest): Subscription {
    const subscription = new Subscription(request, this.#connection, this.#log, (closed) => this.#open.delete(closed))
    this.#open.add(subscription)
    subscription.wake()
    return subscription
  }

  /** A connection was opened. */
  wake(): void {
    for (const subscription of this.#open) subscription.wake()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((subscription) => subscription.close()))
  }
}
