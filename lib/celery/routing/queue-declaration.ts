import type { RawChannel } from '../../amqp/connection.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { Binding, Exchange, TaskQueue } from './task-queue.ts'

/**
 * A queue, as Celery declares it. The direct exchange of the same name that Celery makes beside it is not
 * needed: tasks go through the default exchange, which routes by the queue's name.
 */
export class QueueDeclaration implements Declaration {
  readonly name: string
  isDeclared = false
  readonly queue: string
  readonly #options: object

  constructor(queue: string, options: object = PLAIN) {
    this.queue = queue
    this.name = `queue ${queue}`
    this.#options = options
  }

  declare(channel: RawChannel): Promise<unknown> {
    return channel.assertQueue(this.queue, this.#options)
  }
}

const PLAIN = { durable: true }

export class ExchangeDeclaration implements Declaration {
  readonly name: string
  readonly exchange: string
  isDeclared = false
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.exchange = exchange.name
    this.name = `exchange ${exchange.name}`
    this.#exchange = exchange
  }

  declare(channel: RawChannel): Promise<unknown> {
    const { name, type, durable, autoDelete, arguments: table } = this.#exchange
    return channel.assertExchange(name, type, { durable, autoDelete, arguments: table })
  }
}

/** The bindings of a queue, after the queue and the exchanges that they join. */
class BoundQueueDeclaration implements Declaration {
  readonly name: string
  readonly queue: string
  /** The one that tasks for the queue go through. */
  readonly exchange: string
  readonly needs: readonly Declaration[]
  isDeclared = false
  readonly #bindings: readonly Binding[]

  constructor(queue: TaskQueue) {
    this.queue = queue.name
    this.name = `the bindings of queue ${queue.name}`
    this.exchange = queue.exchange?.name ?? ''
    this.#bindings = queue.bindings
    const exchanges = new Map(queue.bindings.map(({ exchange }) => [exchange.name, exchange]))
    this.needs = [
      ...[...exchanges.values()].filter(isOurs).map((exchange) => new ExchangeDeclaration(exchange)),
      plainDeclaration(queue),
    ]
  }

  declare(channel: RawChannel): Promise<unknown> {
    return Promise.all(
      this.#bindings.map(({ exchange, routingKey, arguments: table }) => {
        return channel.bindQueue(this.queue, exchange.name, routingKey, table)
      }),
    )
  }
}

/** What the broker must have before a task goes to this queue. */
export function declarationOf(queue: TaskQueue): Declaration | undefined {
  if (queue.noDeclare) return undefined
  return queue.bindings.length === 0 ? plainDeclaration(queue) : new BoundQueueDeclaration(queue)
}

function plainDeclaration({ name, durable, autoDelete, arguments: table }: TaskQueue): QueueDeclaration {
  return new QueueDeclaration(name, { durable, autoDelete, arguments: table })
}

/** The broker's own exchanges are there, and cannot be declared. */
function isOurs({ name, noDeclare }: Exchange): boolean {
  return !noDeclare && !name.startsWith('amq.')
}
