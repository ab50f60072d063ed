import type { ConsumeMessage } from 'amqplib'
import { asError } from '../errors.ts'
import { closedChannel } from './closed-channel.ts'
import type { Connection, PlainChannel } from './connection.ts'
import { withTimeLimit } from './time-limit.ts'

/** A message as amqplib delivers it. */
export type { ConsumeMessage }

/** What is consumed, and how. */
export interface Consumption {
  /** Declares the queue, and gives its name. A second time does no harm. */
  declare(channel: PlainChannel): Promise<string>
  /** Takes away what nobody needs once nobody consumes. */
  dispose?(channel: PlainChannel): Promise<unknown>
  /** False: the broker keeps each message until it was handed over. Default: true, it forgets what it has sent. */
  readonly noAck?: boolean
  /** Messages that the broker sends ahead of their acks. Default: any number. */
  readonly prefetch?: number
}

/** Who is told what becomes of a consumer. None of these may throw. */
export interface ConsumerOwner {
  received(message: ConsumeMessage): void
  /** Once, when it has ended by itself: the connection is lost, the queue was deleted, the broker closed the channel. */
  ended(reason: Error): void
}

/** An answer of the broker that takes longer than this is not waited for. */
const LIMIT_MS = 5_000

/** One consumer on a channel of its own, which dies with it. */
export class Consumer {
  readonly #consumption: Consumption
  readonly #owner: ConsumerOwner
  #channel: PlainChannel | undefined
  #error: Error | undefined
  #isConsuming = false
  #isDisposing = false
  #lastUnacked: ConsumeMessage | undefined
  #closing: Promise<void> = Promise.resolve()

  constructor(consumption: Consumption, owner: ConsumerOwner) {
    this.#consumption = consumption
    this.#owner = owner
  }

  /** Declares the queue and consumes from it. Rejects when that fails; nothing is left open then. */
  async open(connection: Connection): Promise<void> {
    const channel = await connection.openPlainChannel()
    this.#channel = channel
    channel.on('error', (error) => {
      this.#error = error
    })
    channel.on('close', () => this.#end(this.#error ?? new Error('the channel was closed')))
    try {
      await withTimeLimit(this.#consume(channel), LIMIT_MS, tooLate)
    } catch (error) {
      this.#error ??= asError(error)
    }
    if (this.#channel === undefined || this.#error !== undefined) {
      await this.close()
      throw this.#error ?? new Error('the channel was closed')
    }
    this.#isConsuming = true
  }

  /** Takes away what it has declared, and ends it; as {@link close}. */
  async dispose(): Promise<void> {
    const channel = this.#isConsuming ? this.#channel : undefined
    const { dispose } = this.#consumption
    if (channel !== undefined && dispose !== undefined) {
      this.#isDisposing = true
      await withTimeLimit(dispose(channel), LIMIT_MS, tooLate).catch(ignore)
    }
    await this.close()
  }

  /**
   * Ends it. Resolves when the broker has answered, does not in time, or is gone; whoever began the close, it is waited
   * for. Never rejects.
   */
  close(): Promise<void> {
    const channel = this.#channel
    this.#channel = undefined
    // It may be closed already, and a broker that answers nothing is not waited for any longer.
    if (channel !== undefined) this.#closing = closedChannel(channel, LIMIT_MS).catch(ignore)
    return this.#closing
  }

  async #consume(channel: PlainChannel): Promise<void> {
    const { prefetch, noAck = true } = this.#consumption
    const queue = await this.#consumption.declare(channel)
    if (prefetch !== undefined) await channel.prefetch(prefetch)
    await channel.consume(queue, (message) => this.#take(channel, message, noAck), { noAck })
  }

  #take(channel: PlainChannel, message: ConsumeMessage | null, noAck: boolean): void {
    // To amqplib no message means that the broker has cancelled the consumer.
    if (message === null) return this.#end(new Error('the queue was deleted, or its node has gone'))
    this.#owner.received(message)
    if (!noAck) this.#ackSoon(channel, message)
  }

  /** All that came in one turn of the event loop is acked in one frame. */
  #ackSoon(channel: PlainChannel, message: ConsumeMessage): void {
    if (this.#lastUnacked === undefined) setImmediate(() => this.#ack(channel))
    this.#lastUnacked = message
  }

  #ack(channel: PlainChannel): void {
    const message = this.#lastUnacked as ConsumeMessage
    this.#lastUnacked = undefined
    try {
      channel.ack(message, true)
    } catch {
      // The channel, or its connection, is being closed since: the broker delivers what was not acked once more.
    }
  }

  #end(reason: Error): void {
    if (this.#channel === undefined) return
    this.#error ??= reason
    void this.close()
    if (this.#isConsuming && !this.#isDisposing) this.#owner.ended(reason)
  }
}

function tooLate(): Error {
  return new Error(`the broker did not answer in ${LIMIT_MS} ms`)
}

function ignore(): void {}
