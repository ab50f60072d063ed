import { PooledProducerError } from '../errors.ts'
import type { PoolOptions } from '../options.ts'
import type { Receipt } from '../pool/pending-publish.ts'
import type { Producer } from '../pool/producer.ts'
import { createProducerPool, ProducerPool } from '../pool/producer-pool.ts'
import { describe } from '../shown-value.ts'
import { pooledSendTask } from './celery-client.ts'
import { brokersOf, pooledMethods } from './celery-ts-client.ts'
import { poolConnection } from './pooled-connection.ts'
import {
  type AmqplibConnection,
  type CeleryClient,
  type CeleryTsClient,
  kindOf,
  type PublisherKind,
  type TaskPublisher,
} from './publisher-kind.ts'

/** What can be wrapped. */
export type Publisher = CeleryClient | CeleryTsClient | TaskPublisher | AmqplibConnection

/** A function that publishes with the producer that it is given. */
export type PublishFunction<Args extends unknown[], T> = (producer: Producer, ...args: Args) => Promise<T> | T

/** What `sendTask`, `delay` and `applyAsync` of a wrapped Celery client return beside the client's own. */
export interface PooledCelery {
  /** Resolves once the broker has confirmed the task. Awaited or not, it never ends the process. */
  readonly published: Promise<Receipt>
}

/** What a wrapped publisher has beside its own. */
export interface Pooled {
  /** The pool that it publishes through. */
  readonly producerPool: ProducerPool
}

/** The methods that send, with what they return once the client is wrapped. */
type Sending<T> = {
  [Name in keyof T & ('sendTask' | 'delay' | 'applyAsync')]: T[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Result & PooledCelery
    : never
}

/** What a Celery client's methods return once it is wrapped; before its own type, these are found first. */
type Published<P> = P extends { createTask(name: string): infer Task }
  ? { createTask(name: string): Sending<Task> & Task } & Sending<P>
  : unknown

const WRAPPED = new WeakSet<object>()

/**
 * Puts a pool of kept channels under a publisher that exists. An object is changed in place and returned,
 * so that whatever holds it already is pooled too; a function gets a wrapper.
 *
 * | publisher | what changes |
 * |---|---|
 * | a client with `sendTask` and `createTask` (`celery-node`) | `sendTask` publishes through the pool, with no round trip before it |
 * | a client with `createTask` and `brokers` (`celery-ts`) | what its tasks send goes through the pool as full messages |
 * | an object with `sendTask(name, args, kwargs, options)` | its `sendTask` finds a leased producer in `options.producer`, released on every path |
 * | an amqplib connection | `createChannel` and `createConfirmChannel` lease a kept channel, whose `close` gives it back |
 * | a function `(producer, ...args)` | becomes `(...args)`, with a lease around each call |
 *
 * @param poolOrOptions a pool, or the options of a new one, found as `producerPool` on the result.
 * @throws {PooledProducerError} ERR_INVALID_PUBLISHER for anything else, and for a publisher that is wrapped already;
 *   ERR_INVALID_OPTION for bad options.
 *
 * @example
 * const client = withPooledProducer(createClient('amqp://', 'amqp://'), pool)
 * client.createTask('tasks.add').delay(1, 2)
 */
export function withPooledProducer<P extends Publisher>(
  publisher: P,
  poolOrOptions?: ProducerPool | PoolOptions,
): Published<P> & P & Pooled
export function withPooledProducer<Args extends unknown[], T>(
  publisher: PublishFunction<Args, T>,
  poolOrOptions?: ProducerPool | PoolOptions,
): ((...args: Args) => Promise<T>) & Pooled
export function withPooledProducer(publisher: unknown, poolOrOptions: ProducerPool | PoolOptions = {}): unknown {
  const kind = kindOf(publisher)
  refuseWrapped(publisher as object)
  refuseFixed(publisher as object, REPLACED[kind])
  const brokers = kind === 'celery-ts-client' ? brokersOf(publisher as CeleryTsClient) : []
  for (const broker of brokers) {
    refuseWrapped(broker)
    refuseFixed(broker, ['publish'])
  }
  const pool = poolOf(poolOrOptions)

  if (kind === 'function') return marked(leased(publisher as LooseFunction, pool), pool)
  if (kind === 'celery-client') {
    const client = publisher as CeleryClient
    replace(client, { sendTask: pooledSendTask(client, pool) })
  } else if (kind === 'celery-ts-client') {
    // Its tasks hold the brokers: with these replaced, tasks made before go through the pool too.
    const methods = pooledMethods(publisher as CeleryTsClient, pool)
    for (const broker of brokers) {
      replace(broker, methods.broker)
      WRAPPED.add(broker)
    }
    replace(publisher as object, methods.client)
  } else if (kind === 'task-publisher') {
    replace(publisher as object, { sendTask: leasedSendTask(publisher as TaskPublisher, pool) })
  } else {
    replace(publisher as object, poolConnection(pool))
  }
  return marked(publisher as object, pool)
}

/** What a wrapped publisher has of its own from then on. */
const REPLACED: Record<PublisherKind, readonly string[]> = {
  'celery-client': ['sendTask', 'producerPool'],
  'celery-ts-client': ['createTask', 'producerPool'],
  'task-publisher': ['sendTask', 'producerPool'],
  'amqplib-connection': ['createChannel', 'createConfirmChannel', 'producerPool'],
  function: [],
}

type LooseFunction = (producer: Producer, ...args: unknown[]) => unknown

function leased(run: LooseFunction, pool: ProducerPool): (...args: unknown[]) => Promise<unknown> {
  return function (this: unknown, ...args) {
    return pool.use(async (producer) => run.call(this, producer, ...args))
  }
}

type LooseSendTask = (
  name: unknown,
  args?: unknown,
  kwargs?: unknown,
  options?: { readonly producer?: Producer },
  ...rest: unknown[]
) => Promise<unknown>

function leasedSendTask(publisher: TaskPublisher, pool: ProducerPool): LooseSendTask {
  const own = publisher.sendTask as unknown as LooseSendTask
  return (name, args, kwargs, options, ...rest) => {
    const run = async (producer: Producer) => own.call(publisher, name, args, kwargs, { ...options, producer }, ...rest)
    // Who has a lease goes on with it: to wait for a second with one in hand can be to wait for ever.
    return options?.producer === undefined ? pool.use(run) : run(options.producer)
  }
}

function poolOf(poolOrOptions: ProducerPool | PoolOptions): ProducerPool {
  if (poolOrOptions instanceof ProducerPool) return poolOrOptions
  // Another copy of this package makes pools of another class.
  if (typeof (poolOrOptions as Partial<ProducerPool> | null)?.send === 'function') return poolOrOptions as ProducerPool
  return createProducerPool(poolOrOptions)
}

function refuseWrapped(publisher: object): void {
  if (WRAPPED.has(publisher)) throw invalid(`is wrapped already: ${describe(publisher)}`)
}

function refuseFixed(publisher: object, names: readonly string[]): void {
  if (names.length === 0) return
  if (!Object.isExtensible(publisher)) throw invalid('is frozen or sealed, and cannot be given a pooled method')
  const fixed = names.find((name) => Object.getOwnPropertyDescriptor(publisher, name)?.configurable === false)
  if (fixed !== undefined) throw invalid(`has a ${fixed} that cannot be replaced`)
}

function replace(publisher: object, methods: object): void {
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(publisher, name, { value, configurable: true, writable: true, enumerable: false })
  }
}

function marked<T extends object>(wrapped: T, producerPool: ProducerPool): T & Pooled {
  WRAPPED.add(wrapped)
  return Object.defineProperty(wrapped, 'producerPool', { value: producerPool, configurable: true }) as T & Pooled
}

function invalid(fault: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_PUBLISHER', `the publisher ${fault}`)
}
