import { Celery } from '../celery/celery.ts'
import { PooledProducerError } from '../errors.ts'
import { describe } from '../options.ts'

/** Sends Celery tasks; the npm package `celery-node` makes such a client. */
export interface CeleryClient {
  sendTask(name: string, args?: unknown[], kwargs?: object, taskId?: string): unknown
  createTask(name: string): unknown
}

/** Sends tasks in a way of its own, with a producer that it finds in `options.producer`. */
export interface TaskPublisher {
  sendTask(name: string, args: never, kwargs: never, options: never): unknown
}

/** An amqplib connection, as `connect` gives it. */
export interface AmqplibConnection {
  createChannel(...options: never): Promise<unknown>
  createConfirmChannel(...options: never): Promise<unknown>
}

export type PublisherKind = 'celery-client' | 'task-publisher' | 'amqplib-connection' | 'function'

/**
 * What a publisher is, by what it can do.
 *
 * @throws {PooledProducerError} ERR_INVALID_PUBLISHER says what was missing.
 */
export function kindOf(publisher: unknown): PublisherKind {
  if (typeof publisher === 'function') {
    if (CLASS.test(Function.prototype.toString.call(publisher))) throw invalid('is a class: pass an instance of it')
    return 'function'
  }
  if (typeof publisher !== 'object' || publisher === null) {
    throw invalid(`must be an object or a function, got ${describe(publisher)}`)
  }
  if (publisher instanceof Celery) throw invalid('is an app of createCelery(), which publishes through a pool already')
  const can = (method: string) => typeof (publisher as Record<string, unknown>)[method] === 'function'
  if (can('then')) throw invalid('is a promise: await it first')
  if (can('sendTask')) return can('createTask') ? 'celery-client' : 'task-publisher'
  if (can('createChannel') && can('createConfirmChannel')) return 'amqplib-connection'
  if (can('createChannel') || can('createConfirmChannel')) {
    const missing = can('createChannel') ? 'createConfirmChannel' : 'createChannel'
    throw invalid(`looks like an amqplib connection, but has no ${missing}()`)
  }
  throw invalid(
    `has neither sendTask() nor createChannel() and createConfirmChannel(); it is ${describe(publisher)}. ` +
      'It can be a Celery client, an object with sendTask(), an amqplib connection, or a function that takes a producer',
  )
}

const CLASS = /^class\b/

function invalid(fault: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_PUBLISHER', `the publisher ${fault}`)
}
