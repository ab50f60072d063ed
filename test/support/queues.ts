import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from '@jest/globals'
import { type Channel, type ChannelModel, type ConsumeMessage, connect, type Options } from 'amqplib'

/** Queues and exchanges of one test file, made and read with plain amqplib; all deleted after its tests. */
export interface Queues {
  /** A connection of the test's own. */
  readonly connection: ChannelModel
  readonly channel: Channel
  /** A name for a queue that is not declared yet. */
  name(): string
  /** Declares a queue, by default durable, as Celery's are, and with a name of its own. */
  declare(options?: Options.AssertQueue, name?: string): Promise<string>
  /** Declares an exchange that drops everything. */
  declareExchange(): Promise<string>
  delete(queue: string): Promise<void>
  /** How many messages are ready in a queue. */
  depth(queue: string): Promise<number>
  /** The next messages of a queue, as soon as there are so many; they are taken off. */
  take(queue: string, count: number): Promise<ConsumeMessage[]>
  /** The bodies of all messages that are in a queue now. */
  bodies(queue: string): Promise<string[]>
}

/** To be called once, at the top of a test file. */
export function useQueues(url: string): Queues {
  let connection: ChannelModel
  let channel: Channel
  const names = new Set<string>()
  const exchanges: string[] = []
  beforeAll(async () => {
    connection = await connect(url, { noDelay: true })
    channel = await connection.createChannel()
  })
  afterAll(async () => {
    for (const name of names) await channel.deleteQueue(name)
    for (const name of exchanges) await channel.deleteExchange(name)
    await connection.close()
  })

  const take = async (queue: string, count: number): Promise<ConsumeMessage[]> => {
    const messages: ConsumeMessage[] = []
    const consumerTag = randomUUID()
    let surplus = 0
    await new Promise<void>((resolve, reject) => {
      const receive = (message: ConsumeMessage | null) => {
        if (message === null) return reject(new Error(`${queue} was deleted`))
        if (messages.length === count) {
          surplus++
          return
        }
        channel.ack(message)
        messages.push(message)
        if (messages.length === count) resolve()
      }
      channel.consume(queue, receive, { consumerTag }).catch(reject)
    })
    await channel.cancel(consumerTag)
    if (surplus > 0) channel.nackAll()
    return messages
  }

  const newName = (): string => {
    const name = `test.${randomUUID()}`
    names.add(name)
    return name
  }

  return {
    get connection() {
      return connection
    },
    get channel() {
      return channel
    },
    name: newName,
    async declare(options = { durable: true }, name = newName()) {
      await channel.assertQueue(name, options)
      return name
    },
    async declareExchange() {
      const name = `test.${randomUUID()}`
      exchanges.push(name)
      await channel.assertExchange(name, 'fanout', { durable: false })
      return name
    },
    async delete(queue) {
      await channel.deleteQueue(queue)
    },
    async depth(queue) {
      const { messageCount } = await channel.checkQueue(queue)
      return messageCount
    },
    take,
    async bodies(queue) {
      const bodies: string[] = []
      for (;;) {
        const message = await channel.get(queue, { noAck: true })
        if (message === false) return bodies
        bodies.push(message.content.toString())
      }
    },
  }
}
