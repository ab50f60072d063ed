import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { Fields } from '../options/fields.ts'
import type { QueueSettings } from './queues.ts'
import {
  exchange,
  QUEUE_TYPES,
  type QueueDefaults,
  type QueueOptions,
  type QueueType,
  TaskQueue,
} from './task-queue.ts'
import { TaskRouteList, type TaskRoutes } from './task-routes.ts'

/** What an app decides about where its tasks go. Names and meanings are Celery's settings, in camelCase. */
export interface RoutingOptions {
  /** The queue of tasks that name none. Default: `celery`. */
  taskDefaultQueue?: string
  /** Of the default queue, and of those in `taskQueues` that name no exchange. Default: the default exchange of AMQP. */
  taskDefaultExchange?: string
  /** The type of that exchange, which is called like the default queue where it has no name. Default: `direct`. */
  taskDefaultExchangeType?: string
  /** What binds the default queue to that exchange, and the routing key of its tasks. Default: the queue's name. */
  taskDefaultRoutingKey?: string
  /** Of the default queue. Default: `classic`. */
  taskDefaultQueueType?: QueueType
  /** Where tasks go by their names, in Celery's order; an option of the task or the call goes before. */
  taskRoutes?: TaskRoutes
  /** The queues that are more than a name. */
  taskQueues?: readonly (string | QueueOptions)[] | Readonly<Record<string, Omit<QueueOptions, 'name'>>>
  /** False: a queue that is not in `taskQueues` is ERR_INVALID_TASK. Default: true. */
  taskCreateMissingQueues?: boolean
  /** Of queues that are not in `taskQueues`. Default: `classic`. */
  taskCreateMissingQueueType?: QueueType
  /** `x-max-priority` of every queue that has none of its own. Default: none. */
  taskQueueMaxPriority?: number
  /**
   * Whether the broker holds tasks with a countdown or an eta for quorum queues, so that they arrive when they
   * are due: as Celery's native delayed delivery, which is declared when it is first needed. Default: true.
   */
  nativeDelayedDelivery?: boolean
  /** The type of the queues in which delayed tasks wait. Default: `quorum`. */
  brokerNativeDelayedDeliveryQueueType?: QueueType
}

/** {@link RoutingOptions} as they were checked. */
export interface RoutingSettings extends QueueSettings {
  readonly routes: TaskRouteList
  /** Undefined: nothing is delayed by the broker. */
  readonly delayQueueType: QueueType | undefined
}

const NAMES: Readonly<Record<keyof RoutingOptions, true>> = {
  taskDefaultQueue: true,
  taskDefaultExchange: true,
  taskDefaultExchangeType: true,
  taskDefaultRoutingKey: true,
  taskDefaultQueueType: true,
  taskRoutes: true,
  taskQueues: true,
  taskCreateMissingQueues: true,
  taskCreateMissingQueueType: true,
  taskQueueMaxPriority: true,
  nativeDelayedDelivery: true,
  brokerNativeDelayedDeliveryQueueType: true,
}

/** The names of {@link RoutingOptions}. */
export const ROUTING_OPTIONS: readonly string[] = Object.keys(NAMES)

/**
 * The settings of an app's routing.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function routingSettings(given: RoutingOptions): RoutingSettings {
  const fields = new Fields('', given, ROUTING_OPTIONS)
  const defaultQueue = fields.has('taskDefaultQueue') ? fields.name('taskDefaultQueue') : 'celery'
  const maxPriority = fields.integer('taskQueueMaxPriority', 1, 255)
  const missingType = fields.oneOf('taskCreateMissingQueueType', QUEUE_TYPES)
  const common = {
    ...(maxPriority !== undefined && { maxPriority }),
    ...defaultExchange(fields, defaultQueue),
  }
  const queues = queueList(fields, given.taskQueues, common)
  // Celery knows its default queue without being told only where it was told of no others.
  const isDescribed = queues.some(({ name }) => name === defaultQueue)
  if (!isDescribed && (queues.length === 0 || fields.has('taskDefaultQueue'))) {
    const queueType = fields.oneOf('taskDefaultQueueType', QUEUE_TYPES)
    const routingKey = fields.text('taskDefaultRoutingKey')
    const defaults = {
      ...common,
      ...(queueType !== undefined && { queueType }),
      ...(routingKey !== undefined && { routingKey }),
    }
    queues.push(new TaskQueue(defaultQueue, 'taskDefaultQueue', defaults))
  }
  const settings: RoutingSettings = {
    queues,
    defaultQueue,
    isMissingCreated: fields.flag('taskCreateMissingQueues', true),
    missing: {
      ...(maxPriority !== undefined && { maxPriority }),
      ...(missingType !== undefined && { queueType: missingType }),
    },
    routes: new TaskRouteList(given.taskRoutes),
    delayQueueType: fields.flag('nativeDelayedDelivery', true)
      ? (fields.oneOf('brokerNativeDelayedDeliveryQueueType', QUEUE_TYPES) ?? 'quorum')
      : undefined,
  }
  checkRoutes(settings)
  return Object.freeze(settings)
}

/** A table's route to a queue that is not there would fail with the first task that takes it. */
function checkRoutes({ routes, queues, isMissingCreated }: RoutingSettings): void {
  if (isMissingCreated) return
  for (const { place, options } of routes.fixed) {
    const { queue } = options
    if (typeof queue !== 'string' || queues.some(({ name }) => name === queue)) continue
    const names = queues.map(({ name }) => name).join(', ')
    throw invalid(`${place} leads to queue ${queue}, which is not among taskQueues (${names})`)
  }
}

/** Only where it was asked for: a queue needs no exchange of its own. */
function defaultExchange(fields: Fields, defaultQueue: string): QueueDefaults {
  const type = fields.text('taskDefaultExchangeType')
  const name = fields.text('taskDefaultExchange')
  if (name === undefined && (type === undefined || type === 'direct')) return {}
  return {
    exchange: exchange({ name: name ?? defaultQueue, ...(type !== undefined && { type }) }, 'taskDefaultExchange'),
  }
}

function queueList(fields: Fields, given: unknown, defaults: QueueDefaults): TaskQueue[] {
  const list = isPlainObject(given)
    ? Object.entries(given).map(([name, queue]) => named(name, queue))
    : fields.list('taskQueues')
  const queues = list.map((queue, index) => {
    const place = `taskQueues[${index}]`
    if (typeof queue !== 'string') return new TaskQueue(queue as QueueOptions, place, defaults)
    const { exchange: _, ...plain } = defaults
    return new TaskQueue(queue, place, plain)
  })
  const twice = queues.find(({ name }, index) => queues.findIndex((other) => other.name === name) < index)
  if (twice !== undefined) throw invalid(`taskQueues has two queues of the name ${twice.name}`)
  return queues
}

/** Celery's other form of the list. */
function named(name: string, queue: unknown): unknown {
  return isPlainObject(queue) ? { ...queue, name } : queue
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
