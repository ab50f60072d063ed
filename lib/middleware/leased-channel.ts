import { EventEmitter } from 'node:events'
import type { Message, MessageProperties } from '../amqp/message.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import { describe } from '../options.ts'
import type { Producer } from '../pool/producer.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'

/** amqplib's options of a publish. */
export interface PublishOptions extends Omit<MessageProperties, 'expiration' | 'deliveryMode'> {
  expiration?: string | number
  deliveryMode?: boolean | number
  persistent?: boolean
  mandatory?: boolean
  CC?: string | string[]
  BCC?: string | string[]
}

type Confirm = (error: Error | null) => void
type AnyMethod = (...args: unknown[]) => unknown

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
const DIRTY = [
  'consume',
  'cancel',
  'get',
  'ack',
  'ackAll',
  'nack',
  'nackAll',
  'reject',
  'prefetch',
  'qos',
  'recover',
] as const

/**
 * A kept channel in the shape of amqplib's, for code that opens and closes one per publish: `close` gives it
 * back. Publishes count in the pool's ledger; everything else is amqplib's own.
 */
export class LeasedChannel extends EventEmitter {
  readonly #producer: Producer
  readonly #pool: ProducerPool
  readonly #unconfirmed = new Set<Promise<unknown>>()
  #isDirty = false
  #isWaitingForRoom = false

  constructor(producer: Producer, pool: ProducerPool) {
    super()
    this.#producer = producer
    this.#pool = pool
    const { raw } = producer.channel
    raw.on('error', this.#forwardError)
    raw.on('close', this.#forwardClose)
    for (const name of CLEAN) this.#expose(name, () => {})
    for (const name of DIRTY) {
      this.#expose(name, () => {
        this.#isDirty = true
      })
    }
  }

  /** amqplib's connection below. */
  get connection(): unknown {
    return this.#producer.channel.raw.connection
  }

  /**
   * Publishes; `confirm` is called once the broker has answered. False: wait for `drain`.
   *
   * @throws {PooledProducerError} ERR_PRODUCER_RELEASED after `close`; {TypeError} for content that is no Buffer.
   */
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options: PublishOptions = {},
    confirm?: Confirm,
  ): boolean {
    if (!Buffer.isBuffer(content)) throw new TypeError(`content must be a Buffer, got ${describe(content)}`)
    if (this.#producer.isReleased) throw released()
    const message = asMessage(exchange, routingKey, content, options ?? {})
    const publishing = quiet(this.#producer.publish(message))
    this.#unconfirmed.add(publishing)
    const settled = (error: Error | null) => {
      this.#unconfirmed.delete(publishing)
      this.#answer(message, error, confirm)
    }
    publishing.then(() => settled(null), settled)
    return this.#hasRoom()
  }

  sendToQueue(queue: string, content: Buffer, options?: PublishOptions, confirm?: Confirm): boolean {
    return this.publish('', queue, content, options, confirm)
  }

  /** Resolves once everything published here is confirmed; rejects with the first failure. */
  async waitForConfirms(): Promise<void> {
    const results = await Promise.allSettled(this.#unconfirmed)
    const failed = results.find((result) => result.status === 'rejected' && !isReturn(result.reason))
    if (failed?.status === 'rejected') throw failed.reason
  }

  /** Gives the channel back. What was published is still confirmed. */
  async close(): Promise<void> {
    if (this.#producer.isReleased) throw released()
    const { raw } = this.#producer.channel
    raw.off('error', this.#forwardError)
    raw.off('close', this.#forwardClose)
    if (this.#isDirty) this.#producer.channel.retire('its borrower left consumers or settings on it')
    this.#pool.release(this.#producer)
    this.emit('close')
  }

  readonly #forwardError = (error: Error): void => {
    // An `error` that nobody listens for would end the process.
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  readonly #forwardClose = (): void => {
    this.emit('close')
  }

  #expose(name: (typeof CLEAN)[number] | (typeof DIRTY)[number], before: () => void): void {
    const method = (...args: unknown[]) => {
      if (this.#producer.isReleased) throw released()
      before()
      // What was published before must be on its way first.
      this.#producer.flush()
      const raw = this.#producer.channel.raw as unknown as Record<string, AnyMethod>
      return raw[name]?.(...args)
    }
    Object.defineProperty(this, name, { value: method, configurable: true, writable: true })
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

  #hasRoom(): boolean {
    const { channel } = this.#producer
    if (channel.room > 0) return true
    if (!this.#isWaitingForRoom) {
      this.#isWaitingForRoom = true
      void channel.whenRelieved().then(() => {
        this.#isWaitingForRoom = false
        this.emit('drain')
      })
    }
    return false
  }
}

function asMessage(exchange: string, routingKey: string, body: Buffer, options: PublishOptions): Message {
  const { persistent, mandatory = false, deliveryMode, expiration, CC, BCC, headers, ...properties } = options
  const mode = persistent === undefined ? deliveryMode : persistent ? 2 : 1
  const copies = { ...(CC !== undefined && { CC: [CC].flat() }), ...(BCC !== undefined && { BCC: [BCC].flat() }) }
  return {
    exchange,
    routingKey,
    body,
    mandatory: Boolean(mandatory),
    properties: {
      ...properties,
      headers: { ...copies, ...headers },
      ...(mode === undefined || mode === false ? {} : { deliveryMode: mode === true ? 2 : mode }),
      ...(expiration !== undefined && { expiration: String(expiration) }),
    },
  }
}

function isReturn(error: unknown): boolean {
  return (error as PooledProducerError).code === 'ERR_UNROUTABLE'
}

function released(): PooledProducerError {
  return new PooledProducerError('ERR_PRODUCER_RELEASED', 'this channel was closed, and is back in its pool')
}
