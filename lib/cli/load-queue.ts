import { randomUUID } from 'node:crypto'
import { connectPlainly, endPlainly, type PlainConnection } from '../amqp/plain-connection.ts'
import { PooledProducerError } from '../errors.ts'
import { counted } from '../observe/figures.ts'

/** The broker under load, as it calls itself. */
export interface LoadedBroker {
  readonly product: string
  readonly version: string
}

type PlainChannel = Awaited<ReturnType<PlainConnection['createChannel']>>

/** The queue that a load test sends to: one of its own, which it deletes, or one of the user's, which it leaves. */
export class LoadQueue {
  /** The broker's node that answered. */
  readonly url: string
  readonly name: string
  readonly isOwn: boolean
  readonly broker: LoadedBroker

  private constructor(url: string, name: string, isOwn: boolean, broker: LoadedBroker) {
    this.url = url
    this.name = name
    this.isOwn = isOwn
    this.broker = broker
  }

  /**
   * Makes a queue, or takes the one named, which is made when it does not exist.
   *
   * @param urls nodes of one cluster, of which the first that answers is used.
   * @param isForced whether a queue with consumers or messages is taken.
   * @throws {PooledProducerError} ERR_INVALID_OPTION when the queue is in use, ERR_BROKER_UNAVAILABLE,
   *   ERR_BROKER_REFUSED; or what the broker says of the queue.
   */
  static async open(urls: readonly string[], name: string | undefined, isForced: boolean): Promise<LoadQueue> {
    const { url, connection } = await firstToAnswer(urls)
    try {
      const queue = name ?? `pooled-producer-load-test.${randomUUID()}`
      const state = name === undefined ? undefined : await stateOf(connection, name)
      if (state === undefined) await onChannel(connection, (channel) => channel.assertQueue(queue, { durable: true }))
      else if (!isForced) refuseUsed(queue, state)
      return new LoadQueue(url, queue, name === undefined, brokerOf(connection))
    } finally {
      await endPlainly(connection)
    }
  }

  /** Empties a queue of its own: what one mode has left in the broker must not slow down the next. */
  async purge(): Promise<void> {
    if (this.isOwn) await this.#withChannel((channel) => channel.purgeQueue(this.name))
  }

  /** Deletes a queue of its own; over a new connection, as one that was kept might have been lost on the way. */
  async close(): Promise<void> {
    if (this.isOwn) await this.#withChannel((channel) => channel.deleteQueue(this.name))
  }

  async #withChannel(action: (channel: PlainChannel) => Promise<unknown>): Promise<void> {
    const connection = await connectPlainly(this.url, { noDelay: true })
    try {
      await onChannel(connection, action)
    } finally {
      await endPlainly(connection)
    }
  }
}

async function firstToAnswer(urls: readonly string[]): Promise<{ url: string; connection: PlainConnection }> {
  let failure: unknown
  for (const url of urls) {
    try {
      return { url, connection: await connectPlainly(url, { noDelay: true }) }
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

interface QueueState {
  readonly messageCount: number
  readonly consumerCount: number
}

/** Undefined when there is no such queue. */
async function stateOf(connection: PlainConnection, queue: string): Promise<QueueState | undefined> {
  try {
    return await onChannel(connection, (channel) => channel.checkQueue(queue))
  } catch (error) {
    // 404 of AMQP, which closes the channel.
    if ((error as { code?: unknown }).code === 404) return undefined
    throw error
  }
}

function refuseUsed(queue: string, { messageCount, consumerCount }: QueueState): void {
  if (consumerCount === 0 && messageCount === 0) return
  const [use, consequence] =
    consumerCount > 0
      ? [counted(consumerCount, 'consumer'), 'which would get the tasks']
      : [counted(messageCount, 'message'), 'which would stand among them']
  throw new PooledProducerError(
    'ERR_INVALID_OPTION',
    `the queue ${queue} has ${use}, ${consequence}: --force sends nevertheless; without --queue there is one for the test alone`,
  )
}

async function onChannel<T>(connection: PlainConnection, action: (channel: PlainChannel) => Promise<T>): Promise<T> {
  const channel = await connection.createChannel()
  // The call is rejected with it as well.
  channel.on('error', () => {})
  const result = await action(channel)
  await channel.close()
  return result
}

function brokerOf({ connection }: PlainConnection): LoadedBroker {
  const { product, version } = connection.serverProperties
  return { product: `${product ?? 'unknown broker'}`, version: `${version ?? ''}` }
}
