import { PooledProducerError } from '../../errors.ts'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'

/** Where a task's messages go. */
export interface Destination {
  readonly exchange: string
  readonly routingKey: string
  /** The queue that must exist; undefined where an exchange of the caller's decides. */
  readonly queue: string | undefined
}

/**
 * The destination of a task: its queue through the default exchange, or the exchange and routing key that
 * its options name. Celery ignores an exchange without a routing key, and a routing key without an
 * exchange; here the first takes the queue's name as its key, and the second is refused.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK
 */
export function destinationOf(options: CheckedTaskOptions, defaultQueue: string): Destination {
  const { exchange, routingKey, queue } = options
  if (exchange !== undefined && exchange !== '') {
    return { exchange, routingKey: routingKey ?? queue ?? defaultQueue, queue: undefined }
  }
  if (routingKey !== undefined && routingKey !== (queue ?? routingKey)) {
    throw invalid(`routingKey (${routingKey}) and queue (${queue}) name two places; give one, or an exchange`)
  }
  if (routingKey !== undefined && queue === undefined && exchange === undefined) {
    throw invalid(`routingKey (${routingKey}) needs an exchange; a queue is named by the option queue`)
  }
  const name = queue ?? routingKey ?? defaultQueue
  return { exchange: '', routingKey: name, queue: name }
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
