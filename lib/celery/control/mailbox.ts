import { randomUUID } from 'node:crypto'
import type { PlainChannel } from '../../amqp/connection.ts'
import type { ConsumeMessage } from '../../amqp/consumer.ts'
import type { Message } from '../../amqp/message.ts'
import { prepare } from '../../pool/prepared-message.ts'
import type { ProducerPool } from '../../pool/producer-pool.ts'
import type { Subscription } from '../../pool/subscription.ts'
import { parsePythonJson } from '../results/python-json.ts'
import { ExchangeDeclaration } from '../routing/queue-declaration.ts'
import { exchange } from '../routing/task-queue.ts'
import type { CheckedBroadcast } from './control-rules.ts'

/** What a worker answers, by its node name. */
export type Reply = Readonly<Record<string, unknown>>

/** Milliseconds after which the broker forgets the queue of an app that is gone, and a reply that nobody takes. */
const QUEUE_EXPIRES_MS = 10_000
const REPLY_TTL_MS = 300_000
/** As Celery marks it; the queues of workers are transient all the same. */
const PERSISTENT = 2

/**
 * Sends commands to all workers of the broker, and collects their replies in one queue of the app's own, which is
 * consumed from since the first command that asked for some. Source: `kombu/pidbox.py`, `Mailbox`.
 */
export class Mailbox {
  readonly #pool: ProducerPool
  readonly #exchange: string
  readonly #replyExchange: string
  readonly #declaration: ExchangeDeclaration
  readonly #id: string = randomUUID()
  readonly #collectors = new Map<string, (reply: Reply) => void>()
  #replies: Subscription | undefined
  /** Lamport's: later than all that was heard of. */
  #clock = 0

  /** @param name Celery's `control_exchange`. */
  constructor(pool: ProducerPool, name: string) {
    this.#pool = pool
    this.#exchange = `${name}.pidbox`
    this.#replyExchange = `reply.${name}.pidbox`
    const fanout = exchange({ name: this.#exchange, type: 'fanout', durable: false }, 'control')
    this.#declaration = new ExchangeDeclaration(fanout)
  }

  /** Resolves once the broker has the command; with the replies, once there are enough or the time is over. */
  async send(command: string, args: object, options: CheckedBroadcast): Promise<Reply[]> {
    const { destination, pattern, matcher, reply, timeoutMs } = options
    const call = { method: command, arguments: args, destination, pattern, matcher }
    if (!reply) {
      await this.#publish(call, 0)
      return []
    }
    await this.#listen()
    const ticket = randomUUID()
    const replying = this.#collect(ticket, options)
    try {
      const replyTo = { exchange: this.#replyExchange, routing_key: this.#id }
      await this.#publish({ ...call, ticket, reply_to: replyTo }, (Date.now() + timeoutMs) / 1_000)
      return await replying.replies
    } finally {
      replying.end()
    }
  }

  /** Stops listening; who still waits gets what has come. */
  async close(): Promise<void> {
    await this.#replies?.close()
  }

  /** @param expires seconds since 1970; 0: never. */
  #publish(call: object, expires: number): Promise<unknown> {
    const message: Message = {
      exchange: this.#exchange,
      routingKey: '',
      body: JSON.stringify(call),
      properties: {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        deliveryMode: PERSISTENT,
        priority: 0,
        headers: { clock: ++this.#clock, expires },
      },
    }
    return this.#pool.send(prepare(message, undefined), undefined, undefined, this.#declaration)
  }

  async #listen(): Promise<void> {
    this.#replies ??= this.#pool.subscribe({
      name: 'control replies',
      declare: (channel) => this.#declareReplies(channel),
      received: (message) => this.#receive(message),
    })
    await this.#replies.ready({ timeoutMs: this.#pool.options.acquireTimeoutMs })
  }

  async #declareReplies(channel: PlainChannel): Promise<string> {
    const queue = `${this.#id}.${this.#replyExchange}`
    const limits = { 'x-expires': QUEUE_EXPIRES_MS, 'x-message-ttl': REPLY_TTL_MS }
    await channel.assertExchange(this.#replyExchange, 'direct', { durable: false })
    await channel.assertQueue(queue, { durable: false, autoDelete: true, arguments: limits })
    await channel.bindQueue(queue, this.#replyExchange, this.#id)
    return queue
  }

  #receive({ content, properties }: ConsumeMessage): void {
    const { ticket, clock } = properties.headers ?? {}
    if (typeof clock === 'number') this.#clock = Math.max(this.#clock, clock) + 1
    this.#collectors.get(ticket as string)?.(parsePythonJson(content.toString()) as Reply)
  }

  #collect(ticket: string, { timeoutMs, limit }: CheckedBroadcast): { replies: Promise<Reply[]>; end(): void } {
    const replies: Reply[] = []
    let timer: NodeJS.Timeout | undefined
    const collected = new Promise<Reply[]>((resolve) => {
      timer = setTimeout(() => resolve(replies), timeoutMs)
      this.#collectors.set(ticket, (reply) => {
        replies.push(reply)
        if (replies.length >= limit) resolve(replies)
      })
    })
    const end = (): void => {
      clearTimeout(timer)
      this.#collectors.delete(ticket)
    }
    return { replies: collected, end }
  }
}
