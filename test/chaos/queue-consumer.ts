import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import type { Arrivals } from './arrivals.ts'

const PREFETCH = 500
const PAUSE_MS = 200
const CONNECT_LIMIT_MS = 3_000
/** Low: a node that is frozen must not hold the consumer up for long. */
const HEARTBEAT_SECONDS = 2
const CLOSE_LIMIT_MS = 500

/** Takes what is in one queue, through every loss of a connection, and acknowledges it once it is noted. */
export class QueueConsumer {
  readonly #queue: string
  readonly #urls: readonly string[]
  readonly #arrivals: Arrivals
  readonly #running: Promise<void>
  #turn: number
  #model: ChannelModel | undefined
  #isStopped = false

  /** @param first which of the nodes is tried first. */
  constructor(queue: string, urls: readonly string[], first: number, arrivals: Arrivals) {
    this.#queue = queue
    this.#urls = urls
    this.#turn = first
    this.#arrivals = arrivals
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#model !== undefined) await closed(this.#model)
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#consume(this.#urls[this.#turn++ % this.#urls.length] as string).catch(() => {})
      if (!this.#isStopped) await delay(PAUSE_MS)
    }
  }

  /** Resolves or rejects when the consumer has ended, by whomever. */
  async #consume(url: string): Promise<void> {
    const model = await connect(`${url}?heartbeat=${HEARTBEAT_SECONDS}`, { noDelay: true, timeout: CONNECT_LIMIT_MS })
    this.#model = model
    model.on('error', () => {})
    const { promise, resolve } = ending()
    model.on('close', resolve)
    try {
      const channel = await model.createChannel()
      channel.on('error', () => {})
      channel.on('close', resolve)
      await channel.prefetch(PREFETCH)
      let last: ConsumeMessage | undefined
      // One acknowledgement for all that came in a turn of the event loop.
      const acknowledge = () => {
        const newest = last as ConsumeMessage
        last = undefined
        try {
          channel.ack(newest, true)
        } catch {
          // The channel was closed since, and the broker delivers them again.
        }
      }
      await Promise.race([
        promise,
        channel.consume(this.#queue, (message) => {
          // The broker takes the consumer away when the queue's home node goes down.
          if (message === null) return resolve()
          this.#arrivals.add(message)
          if (last === undefined) setImmediate(acknowledge)
          last = message
        }),
      ])
      await promise
    } finally {
      this.#model = undefined
      await closed(model)
    }
  }
}

function ending(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** amqplib does not answer a close on a connection that is lost or frozen. */
async function closed(model: ChannelModel): Promise<void> {
  await Promise.race([model.close().catch(() => {}), delay(CLOSE_LIMIT_MS)])
}
