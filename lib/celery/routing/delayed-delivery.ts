import type { RawChannel } from '../../amqp/connection.ts'
import { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { QueueType, TaskQueue } from './task-queue.ts'

/**
 * Celery's native delayed delivery: a binary countdown in the broker. Level n holds a message for 2^n seconds
 * or hands it on at once, as a bit of its routing key says; after level 0 it goes to its queue. Source: Celery,
 * "Using RabbitMQ", native delayed delivery, and `kombu/transport/native_delayed_delivery.py`.
 */
const LEVELS = 28
const DELIVERY = 'celery_delayed_delivery'
const MAX_SECONDS = 2 ** LEVELS - 1
const MAX_KEY_BYTES = 255
/** Any 28 bits: a queue whose name ends like another's must not get the other's tasks. */
const ANY_BITS = '*.'.repeat(LEVELS)

/** The exchange that delayed tasks are sent to. */
export const DELAY_EXCHANGE: string = levelName(LEVELS - 1)

/**
 * The routing key of a task that the broker is to hold; undefined when there is no whole second to wait. The
 * worker holds what is left: less than a second, or what goes beyond 2^28 seconds (8.5 years). Celery refuses
 * the first and miscounts the second.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK when the key becomes too long for AMQP.
 */
export function delayKey(seconds: number, routingKey: string): string | undefined {
  if (seconds < 1) return undefined
  const bits = Math.min(Math.floor(seconds), MAX_SECONDS).toString(2).padStart(LEVELS, '0')
  const key = `${bits.split('').join('.')}.${routingKey}`
  if (Buffer.byteLength(key) <= MAX_KEY_BYTES) return key
  const most = MAX_KEY_BYTES - 2 * LEVELS
  const text = `the routing key ${routingKey} is too long for a delayed task: ${most} bytes at most`
  throw new PooledProducerError('ERR_INVALID_TASK', text, { outcome: 'not-sent' })
}

/** The exchanges and queues in which delayed tasks wait, shared by all queues and by Celery's own workers. */
export class DelayTopology implements Declaration {
  readonly name = 'the delayed delivery of Celery'
  readonly exchange: string = DELAY_EXCHANGE
  /** Queues in several steps of a cluster take their time. */
  readonly limitMs = 30_000
  isDeclared = false
  readonly #queueType: QueueType

  constructor(queueType: QueueType) {
    this.#queueType = queueType
  }

  /** From the last to the first, so that nothing is bound to what is not there yet. */
  declare(channel: RawChannel): Promise<unknown> {
    const steps: Promise<unknown>[] = [channel.assertExchange(DELIVERY, 'topic', { durable: true })]
    for (let level = 0; level < LEVELS; level++) {
      const name = levelName(level)
      const next = level === 0 ? DELIVERY : levelName(level - 1)
      const above = '*.'.repeat(LEVELS - 1 - level)
      steps.push(
        channel.assertExchange(name, 'topic', { durable: true }),
        channel.assertQueue(name, { durable: true, arguments: this.#arguments(level, next) }),
        channel.bindQueue(name, name, `${above}1.#`),
        channel.bindExchange(next, name, `${above}0.#`),
      )
    }
    return Promise.all(steps)
  }

  #arguments(level: number, next: string): Record<string, unknown> {
    return {
      'x-queue-type': this.#queueType,
      'x-overflow': 'reject-publish',
      'x-message-ttl': 2 ** level * 1_000,
      'x-dead-letter-exchange': next,
      ...(this.#queueType === 'quorum' && { 'x-dead-letter-strategy': 'at-least-once' }),
    }
  }
}

/**
 * The way from the delay to a queue. A queue behind a topic or fanout exchange is bound as Celery's workers
 * bind it; Celery gives up on any other, which is bound itself here.
 */
export class DelayedQueueDeclaration implements Declaration {
  readonly name: string
  readonly queue: string
  readonly exchange: string = DELAY_EXCHANGE
  readonly needs: readonly Declaration[]
  isDeclared = false
  readonly #queue: TaskQueue

  constructor(queue: TaskQueue, needs: readonly Declaration[]) {
    this.#queue = queue
    this.queue = queue.name
    this.name = `the delayed delivery to queue ${queue.name}`
    this.needs = needs
  }

  async declare(channel: RawChannel): Promise<void> {
    const { name, bindings, exchange } = this.#queue
    const steps: Promise<unknown>[] = []
    for (const { exchange, routingKey } of bindings) {
      if (exchange.type === 'direct') continue
      const pattern = routingKey.startsWith('#') ? routingKey : `#.${routingKey}`
      steps.push(
        channel.bindExchange(exchange.name, DELIVERY, pattern),
        channel.bindQueue(name, exchange.name, pattern),
      )
    }
    if (exchange === undefined || exchange.type === 'direct') {
      steps.push(channel.bindQueue(name, DELIVERY, `${ANY_BITS}${name}`))
    }
    await Promise.all(steps)
  }
}

function levelName(level: number): string {
  return `celery_delayed_${level}`
}
