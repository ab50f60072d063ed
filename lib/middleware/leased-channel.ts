import { EventEmitter } from 'node:events'
import type { Message } from '../amqp/message.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import { prepare } from '../pool/prepared-message.ts'
import type { Producer } from '../pool/producer.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import { describe } from '../shown-value.ts'
import { answer } from './callback.ts'
import { messageOf, type PublishOptions } from './publish-options.ts'

type Confirm = (error: Error | null) => void
type Method = (...args: unknown[]) => unknown

/** Operations that leave nothing behind on the channel. */
const CLEAN = [
  'assertQueue',
  'checkQueue',
  'deleteQueue',
  'purgeQueue',
  'bindQueue',
  'unbindQueue',
  'assertExchange',
  'checkExchange',
  'deleteExchange',
  'bindExchange',
  'unbindExchange',
] as const
/** Operations after which the channel is no longer as it was: it is closed, not reused. */
const DIRTY = ['consume', 'cancel', 'get', 'prefetch', 'qos', 'recover'] as const
/** The same, of those that the broker does not answer. */
const UNANSWERED = ['ack', 'ackAll', 'nack', 'nackAll', 'reject'] as const

type Operation = (typeof CLEAN)[number] | (typeof DIRTY)[number] | (typeof UNANSWERED)[number]

const LEAVES_NOTHING = new Set<Operation>(CLEAN)
/** After `publish` was false, `drain` comes when no more than this share of the room is taken. */
const DRAINED_SHARE = 0.75
/** Of its part of the pool's memory: the next message can be a large one. */
const BYTES_SHARE = 0.5

/**
 * A kept channel in the shape of amqplib's, for code that opens and closes one per publish: `close` gives it
 * back. Publishes count in the pool's ledger; everything else is amqplib's own. Each method that answers with
 * a promise takes a callback as its last argument too, as in amqplib's callback API.
 */
export class LeasedChannel extends EventEmitter {
  readonly #producer: Producer
  readonly #pool: ProducerPool
  readonly #unconfirmed = new Set<Promise<unknown>>()
  #unconfirmedBytes = 0
  #isFull = false
  #isDirty = false
  #isClosed = false

  static {
    for (const name of [...CLEAN, ...DIRTY]) {
      define(LeasedChannel.prototype, name, function (this: LeasedChannel, ...args: unknown[]) {
        // The first function that `consume` takes is the consumer.
        const callback = name === 'consume' ? args[3] : args.at(-1)
        return answer(() => this.#operate(name, args), callback)
      })
    }
    for (const name of UNANSWERED) {
      define(LeasedChannel.prototype, name, function (this: LeasedChannel, ...args: unknown[]) {
        return this.#operate(name, args)
      })
    }
  }

  constructor(producer: Producer, pool: ProducerPool) {
    super()
    this.#producer = producer
    this.#pool = pool
    const { raw } = producer.channel
    raw.on('error', this.#forwardError)
    raw.on('close', this.#forwardClose)
  }

  /** amqplib's connection below. */
  get connection(): unknown {
    return this.#producer.channel.raw.connection
  }

  /**
   * Publishes; `confirm` is called once the broker has answered. False: wait for `drain`.
   *
   * @throws {PooledProducerError} ERR_PRODUCER_RELEASED after `close`; ERR_INVALID_OPTION and
   *   ERR_MESSAGE_TOO_LARGE for what AMQP cannot hold; {TypeError} for content that is no Buffer.
   */
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options?: PublishOptions | null,
    confirm?: Confirm,
  ): boolean {
    if (!Buffer.isBuffer(content)) throw new TypeError(`content must be a Buffer, got ${describe(content)}`)
    if (this.#producer.isReleased) throw closed()
    const message = messageOf(exchange, routingKey, content, options ?? {})
    const publishing = quiet(this.#producer.send(prepare(message, undefined), undefined))
    this.#unconfirmed.add(publishing)
    this.#unconfirmedBytes += content.length
    const settle = (error: Error | null) => {
      this.#unconfirmed.delete(publishing)
      this.#unconfirmedBytes -= content.length
      this.#answer(message, error, confirm)
      this.#noteRoom()
    }
    publishing.then(() => settle(null), settle)
    this.#isFull ||= !this.#hasRoom(1)
    return !this.#isFull
  }

  sendToQueue(queue: string, content: Buffer, options?: PublishOptions | null, confirm?: Confirm): boolean {
    return this.publish('', queue, content, options, confirm)
  }

  /** Resolves once everything published here is confirmed; rejects with the first failure. */
  waitForConfirms(done?: Confirm): Promise<void> | undefined {
    return answer(async () => {
      const results = await Promise.allSettled(this.#unconfirmed)
      const failed = results.find((result) => result.status === 'rejected' && !isReturn(result.reason))
      if (failed?.status === 'rejected') throw failed.reason
    }, done)
  }

  /**
   * Gives the channel back at once. Resolves, as amqplib's does, when what was published has reached the
   * broker; how it fared is told to the confirm callbacks only.
   *
   * @throws {PooledProducerError} rejects with ERR_PRODUCER_RELEASED the second time.
   */
  close(done?: Confirm): Promise<void> | undefined {
    const closing = answer(() => this.#close(), done)
    return closing && quiet(closing)
  }

  async #close(): Promise<void> {
    if (this.#isClosed) throw closed()
    this.#isClosed = true
    const isOpen = !this.#producer.isReleased
    const released = isOpen ? this.#release() : undefined
    await Promise.allSettled([...this.#unconfirmed, released])
    if (isOpen) this.emit('close')
  }

  /** Resolves when the channel is back in its pool, or closed if it is not to be used again. */
  async #release(): Promise<void> {
    const { channel } = this.#producer
    const { raw } = channel
    raw.off('error', this.#forwardError)
    raw.off('close', this.#forwardClose)
    // What the window has kept back would go out on any channel, in any order.
    this.#producer.flush()
    if (!this.#isDirty) return this.#pool.release(this.#producer)
    const gone = new Promise<void>((resolve) => raw.once('close', resolve))
    channel.retire('its borrower left consumers or settings on it')
    this.#pool.release(this.#producer)
    await gone
  }

  readonly #forwardError = (error: Error): void => {
    // An `error` that nobody listens for would end the process.
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  /** The broker has closed it, or the connection is lost: nobody has to close such a channel. */
  readonly #forwardClose = (): void => {
    this.#pool.release(this.#producer)
    this.emit('close')
  }

  #operate(name: Operation, args: unknown[]): unknown {
    if (this.#producer.isReleased) throw closed()
    this.#isDirty ||= !LEAVES_NOTHING.has(name)
    // What was published before must be on its way first.
    this.#producer.flush()
    const raw = this.#producer.channel.raw as unknown as Record<Operation, Method>
    return raw[name](...args)
  }

  /** amqplib acknowledges a returned message after its `return` event. */
  #answer(message: Message, error: Error | null, confirm: Confirm | undefined): void {
    if (error === null || !isReturn(error)) return confirm?.(error)
    const { exchange = '', routingKey, body: content, properties } = message
    this.emit('return', {
      fields: { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey },
      properties,
      content,
    })
    confirm?.(null)
  }

  #noteRoom(): void {
    if (!this.#isFull || !this.#hasRoom(DRAINED_SHARE)) return
    this.#isFull = false
    this.emit('drain')
  }

  /** Whether less than this share is taken of the channel's window, and of a channel's part of the pool's memory. */
  #hasRoom(share: number): boolean {
    const { maxInFlight, maxBufferedBytes, maxChannels } = this.#pool.options
    const maxBytes = (maxBufferedBytes / maxChannels) * BYTES_SHARE
    return this.#unconfirmed.size < maxInFlight * share && this.#unconfirmedBytes < maxBytes * share
  }
}

function define(prototype: LeasedChannel, name: Operation, value: Method): void {
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true })
}

function isReturn(error: unknown): boolean {
  return (error as PooledProducerError).code === 'ERR_UNROUTABLE'
}

function closed(): PooledProducerError {
  return new PooledProducerError('ERR_PRODUCER_RELEASED', 'this channel is closed: it is back in its pool, or gone')
}
