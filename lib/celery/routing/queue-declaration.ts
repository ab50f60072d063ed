import type { RawChannel } from '../../amqp/connection.ts'
import type { Declaration } from '../../pool/declarations.ts'

/**
 * A durable queue, as Celery declares one by default. The direct exchange of the same name that Celery
 * makes beside it is not needed: tasks go through the default exchange, which routes by the queue's name.
 */
export class QueueDeclaration implements Declaration {
  readonly name: string
  isDeclared = false
  readonly queue: string

  constructor(queue: string) {
    this.queue = queue
    this.name = `queue ${queue}`
  }

  declare(channel: RawChannel): Promise<unknown> {
    return channel.assertQueue(this.queue, { durable: true })
  }
}
