import { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import { DELAY_EXCHANGE, delayKey } from './delayed-delivery.ts'
import type { TaskQueue } from './task-queue.ts'

/** Where a task's messages go. */
export interface Destination {
  readonly exchange: string
  readonly routingKey: string
  /** The queue that must exist; undefined where an exchange of the caller's decides. */
  readonly queue: TaskQueue | undefined
}

/** A task's options as its route completes them, and where they lead. */
export interface Place {
  /** The task's own, without the route's. */
  readonly own: CheckedTaskOptions
  readonly options: CheckedTaskOptions
  readonly exchange: string
  readonly routingKey: string
  /** What must be declared before the first message. */
  readonly declaration: Declaration | undefined
  /** The routing key behind the broker's delay; undefined: the worker holds a task that has a countdown. */
  readonly delayedKey: string | undefined
}

/** Finds a queue by its name or as it is; undefined: the default one. */
type FindQueue = (queue: string | TaskQueue | undefined) => TaskQueue

/**
 * The destination of a task: its queue, through the default exchange or through the queue's own where that is
 * no direct one, or the exchange and routing key that its options name. Celery ignores an exchange without a
 * routing key, and a routing key for a direct exchange without that exchange; here the first takes the queue's
 * routing key, and the second is refused, unless it stands in a route beside a queue, which decides then.
 *
 * @param own the task's and the call's options without the route's.
 * @throws {PooledProducerError} ERR_INVALID_TASK
 */
export function destinationOf(options: CheckedTaskOptions, own: CheckedTaskOptions, find: FindQueue): Destination {
  const { exchange, exchangeType, routingKey, queue: named } = options
  if (exchange !== undefined && exchange !== '') {
    const queue = named === undefined ? undefined : find(named)
    return { exchange, routingKey: routingKey ?? (queue ?? find(undefined)).routingKey, queue }
  }
  const queue = find(exchange === '' ? (named ?? routingKey) : named)
  const type = exchangeType ?? queue.exchange?.type ?? 'direct'
  if (type !== 'direct' && exchange !== '') {
    const through = queue.exchange?.name
    if (!through) throw invalid(`exchangeType (${type}) needs an exchange, and queue ${queue.name} has none`)
    return { exchange: through, routingKey: routingKey ?? queue.routingKey, queue }
  }
  if (routingKey !== undefined && !isKeyOf(queue, routingKey)) {
    if (named === undefined) {
      throw invalid(`routingKey (${routingKey}) needs an exchange; a queue is named by the option queue`)
    }
    if (own.routingKey !== undefined) {
      throw invalid(`routingKey (${routingKey}) and queue (${queue.name}) name two places; give one, or an exchange`)
    }
  }
  return { exchange: '', routingKey: queue.name, queue }
}

/** Where a message that is sent at `now` goes: through the broker's delay, if it is to wait there. */
export function addressOf(
  { exchange, routingKey, delayedKey, options }: Place,
  now: number,
): Pick<Place, 'exchange' | 'routingKey'> {
  if (delayedKey === undefined) return { exchange, routingKey }
  const { countdown = 0, eta } = options
  const key = delayKey(eta === undefined ? countdown : (Date.parse(eta) - now) / 1_000, delayedKey)
  return key === undefined ? { exchange, routingKey } : { exchange: DELAY_EXCHANGE, routingKey: key }
}

function isKeyOf(queue: TaskQueue, routingKey: string): boolean {
  return routingKey === queue.name || (queue.exchange !== undefined && routingKey === queue.routingKey)
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
