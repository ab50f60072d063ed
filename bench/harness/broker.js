import { connect } from 'amqplib'
import { startBroker } from '../../dist/testing/index.js'

/** Where every contestant that has a choice sends to when there is a queue. */
const QUEUE = 'bench.tasks'
/** A key without a queue: the broker confirms the message and drops it. */
const NO_QUEUE = 'bench.nowhere'
/** For contestants that declare a queue whatever they are told. */
const OWN_QUEUE = 'bench.own'

/** The broker of a bench run, with the queues that it measures against. */
export class BenchBroker {
  #stop
  #connection
  #channel

  static async start() {
    const started = await startBroker()
    const broker = new BenchBroker()
    broker.url = withCredentials(started.url)
    broker.product = started.product
    broker.version = started.version
    broker.#stop = () => started.stop()
    broker.#connection = await connect(broker.url, { noDelay: true })
    broker.#connection.on('error', () => {})
    broker.#channel = await broker.#connection.createChannel()
    // A queue left by a run that was killed would make a message to no queue one to a queue.
    await broker.#channel.deleteQueue(NO_QUEUE)
    await broker.#channel.assertQueue(QUEUE, { durable: true })
    await broker.#channel.assertQueue(OWN_QUEUE, { durable: true })
    return broker
  }

  /** Whether this is an emulator, whose figures are its own. */
  get isEmulator() {
    return this.product === 'amqp-emulator'
  }

  /** The settings that tell a contestant where to send. */
  destination(entry, toQueue) {
    const { url } = this
    if (entry.storesAlways) return { url, queue: OWN_QUEUE, ownQueue: OWN_QUEUE, toQueue: true }
    return { url, queue: toQueue ? QUEUE : NO_QUEUE, ownQueue: OWN_QUEUE, toQueue }
  }

  /** Empties the queues, so that no contestant's turn begins with the messages of another. */
  async purge() {
    await this.#channel.purgeQueue(QUEUE)
    await this.#channel.purgeQueue(OWN_QUEUE)
  }

  /** Takes one message from the queue that a contestant sends to; false when there is none. */
  take(entry) {
    return this.#channel.get(entry.storesAlways ? OWN_QUEUE : QUEUE, { noAck: true })
  }

  async stop() {
    for (const name of [QUEUE, OWN_QUEUE]) {
      await this.#channel.deleteQueue(name)
      // Python's Celery declares an exchange beside each queue.
      await this.#channel.deleteExchange(name)
    }
    await this.#connection.close()
    await this.#stop()
  }
}

/** The URL with the user and password that AMQP assumes; not every client assumes them. */
function withCredentials(text) {
  const url = new URL(text)
  if (url.username === '') {
    url.username = 'guest'
    url.password = 'guest'
  }
  return url.href
}
