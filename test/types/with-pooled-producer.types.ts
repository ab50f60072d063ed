// Types only: tsc checks this file, nothing runs it.
import { type ChannelModel, connect } from 'amqplib'
import { createClient } from 'celery-node'
import {
  createProducerPool,
  type PooledCelery,
  type Producer,
  type ProducerPool,
  type Receipt,
  withPooledProducer,
} from '../../lib/index.ts'
import { type Equal, holds } from './equal.ts'

const pool: ProducerPool = createProducerPool()

// A client of celery-node's keeps its type.
const client = withPooledProducer(createClient('amqp://', 'amqp://'), pool)
client satisfies ReturnType<typeof createClient>
holds<Equal<typeof client.producerPool, ProducerPool>>()
const result = client.createTask('tasks.add').delay(1, 2)
result satisfies ReturnType<ReturnType<typeof createClient>['sendTask']> & PooledCelery
holds<Equal<typeof result.published, Promise<Receipt>>>()
void client.sendTask('tasks.add', [1, 2]).published.then((receipt) => receipt satisfies Receipt)
client.conf.CELERY_QUEUE = 'math'
// @ts-expect-error celery-node has no such method
client.createTusk('tasks.add')
// @ts-expect-error a task's name is a string
client.createTask(5)

// So does a connection of amqplib's.
const connection = withPooledProducer(await connect('amqp://127.0.0.1'), pool)
connection satisfies ChannelModel
const channel = await connection.createConfirmChannel()
channel.publish('', 'mail', Buffer.from('hello'), { persistent: true }, (error) => error?.message)
await channel.waitForConfirms()
await channel.close()
// @ts-expect-error a plain channel has no confirms
await (await connection.createChannel()).waitForConfirms()
// @ts-expect-error content is a Buffer
channel.sendToQueue('mail', 'hello')

// So does a class of the user's own.
class Mailer {
  readonly #sent: string[] = []

  async sendTask(
    name: string,
    args: [to: string],
    kwargs: object,
    options: { producer?: Producer } = {},
  ): Promise<number> {
    await options.producer?.publish({ routingKey: 'mail', body: JSON.stringify([name, args, kwargs]) })
    return this.#sent.push(name)
  }
}
const mailer = withPooledProducer(new Mailer(), pool)
mailer satisfies Mailer
holds<Equal<Awaited<ReturnType<typeof mailer.sendTask>>, number>>()
void mailer.sendTask('mail.send', ['ada'], {})
// @ts-expect-error the arguments are those of the class
void mailer.sendTask('mail.send', [5], {})

// A function loses its first argument, and gives a promise.
const send = withPooledProducer(async (producer: Producer, to: string, count: number) => {
  holds<Equal<typeof producer, Producer>>()
  return { to, count }
}, pool)
holds<Equal<Parameters<typeof send>, [to: string, count: number]>>()
holds<Equal<ReturnType<typeof send>, Promise<{ to: string; count: number }>>>()
holds<Equal<typeof send.producerPool, ProducerPool>>()
// @ts-expect-error an argument is missing
void send('ada')
const plain = withPooledProducer((_: Producer, value: number) => value * 2)
holds<Equal<ReturnType<typeof plain>, Promise<number>>>()
const typed = withPooledProducer((producer) => producer.release(), pool)
holds<Equal<Parameters<typeof typed>, []>>()

// In place of a pool, its options.
withPooledProducer(new Mailer(), { broker: ['amqp://rabbit-1', 'amqp://rabbit-2'], maxChannels: 2, logger: false })
// @ts-expect-error a misspelled option
withPooledProducer(new Mailer(), { maxChanels: 2 })
// @ts-expect-error a number is expected
withPooledProducer(new Mailer(), { maxChannels: '2' })
// @ts-expect-error a URL is no pool
withPooledProducer(new Mailer(), 'amqp://127.0.0.1')

// Other things are no publishers.
// @ts-expect-error neither sendTask nor createChannel
withPooledProducer({}, pool)
// @ts-expect-error a string
withPooledProducer('amqp://127.0.0.1', pool)
// @ts-expect-error a promise: await it first
withPooledProducer(connect('amqp://127.0.0.1'), pool)
// @ts-expect-error only one of amqplib's two methods
withPooledProducer({ createChannel: async () => ({}) }, pool)
// @ts-expect-error the first argument of a function is a producer
withPooledProducer(async (to: string) => to, pool)
