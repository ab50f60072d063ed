import { randomUUID } from 'node:crypto'
import { connectPlainly, type PlainConnection } from '../amqp/plain-connection.ts'
import { TaskArrivals } from './task-arrivals.ts'

/** celery-node declares this exchange and never binds it, so that `autoDelete` does not remove it. */
const CELERY_NODE_EXCHANGE = 'default'

/** A durable queue of one run's own, to which tasks are sent and from which they are counted. */
export class TaskQueue {
  readonly name: string
  readonly #connection: PlainConnection
  readonly #hadExchange: boolean

  private constructor(name: string, connection: PlainConnection, hadExchange: boolean) {
    this.name = name
    this.#connection = connection
    this.#hadExchange = hadExchange
  }

  /** @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE, ERR_BROKER_REFUSED */
  static async open(url: string, label: string): Promise<TaskQueue> {
    const connection = await connectPlainly(url, { noDelay: true })
    const name = `pooled-producer-${label}.${randomUUID()}`
    const channel = await connection.createChannel()
    await channel.assertQueue(name, { durable: true })
    await channel.close()
    return new TaskQueue(name, connection, await hasExchange(connection, CELERY_NODE_EXCHANGE))
  }

  /**
   * Takes everything out of the queue and holds it against the ids of the tasks that were sent, by number.
   *
   * @param quietMs when no message came for this long, what is missing is lost.
   */
  async receive(ids: readonly string[], quietMs = 5_000): Promise<TaskArrivals> {
    const arrivals = new TaskArrivals(ids)
    const channel = await this.#connection.createChannel()
    const { promise, resolve } = completion()
    let lastAt = performance.now()
    const timer = setInterval(() => {
      if (performance.now() - lastAt > quietMs) resolve()
    }, 100)
    const { consumerTag } = await channel.consume(
      this.name,
      (message) => {
        lastAt = performance.now()
        if (message === null) return resolve()
        arrivals.add(message)
        if (arrivals.isComplete) resolve()
      },
      { noAck: true },
    )
    await promise
    clearInterval(timer)
    // What came twice either arrives before the cancel is confirmed, or is in the queue after it.
    await channel.cancel(consumerTag)
    arrivals.addSurplus((await channel.purgeQueue(this.name)).messageCount)
    await channel.close()
    return arrivals
  }

  /** Deletes the queue, and what celery-node left behind; never rejects. */
  async close(): Promise<void> {
    try {
      const channel = await this.#connection.createChannel()
      channel.on('error', ignore)
      await channel.deleteQueue(this.name)
      if (!this.#hadExchange) await channel.deleteExchange(CELERY_NODE_EXCHANGE, { ifUnused: true })
      await this.#connection.close()
    } catch {
      // The broker has gone, or somebody uses the exchange by now.
      await this.#connection.close().catch(ignore)
    }
  }
}

/** On a channel of its own: asking for an exchange that is not there closes the channel (404). */
async function hasExchange(connection: PlainConnection, exchange: string): Promise<boolean> {
  const channel = await connection.createChannel()
  channel.on('error', ignore)
  try {
    await channel.checkExchange(exchange)
    await channel.close()
    return true
  } catch {
    return false
  }
}

function completion(): { promise: Promise<void>; resolve: () => void } {
  let resolve = ignore
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function ignore(): void {}
