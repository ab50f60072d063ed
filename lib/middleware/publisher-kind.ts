import { Celery } from '../celery/celery.ts'
import { PooledProducerError } from '../errors.ts'
import { describe } from '../shown-value.ts'

/** Sends Celery tasks; the npm package `celery-node` makes such a client. */
export interface CeleryClient {
  sendTask(name: string, args?: unknown[], kwargs?: object, taskId?: string): unknown
  createTask(name: string): unknown
}

/** Sends Celery tasks through the objects that its `brokers` hold; the npm package `celery-ts` makes such a client. */
export interface CeleryTsClient {
  createTask(name: string): object
  disconnect(): Promise<unknown>
  end(): Promise<unknown>
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

export type PublisherKind = 'celery-client' | 'celery-ts-client' | 'task-publisher' | 'amqplib-connection' | 'function'

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
  const { brokers } = publisher as { readonly brokers?: unknown }
  if (can('createTask') && Array.isArray(brokers)) {
    refuseOtherBrokers(brokers)
    return 'celery-ts-client'
  }
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

/** A client's tasks must not leave the broker that its workers listen to. */
function refuseOtherBrokers(brokers: readonly unknown[]): void {
  for (const broker of brokers) {
    const { publish, channels } = (broker ?? {}) as { readonly publish?: unknown; readonly channels?: unknown }
    if (typeof publish === 'function' && typeof channels === 'object') continue
    throw invalid(`sends to what is no AMQP broker with channels: ${describe(broker)}`)
  }
}

function invalid(fault: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_PUBLISHER', `the publisher ${fault}`)
}
