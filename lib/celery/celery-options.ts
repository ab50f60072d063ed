import { type PoolOptions, poolOptions } from '../options.ts'
import { isPlainObject } from '../plain-object.ts'
import { ProducerPool } from '../pool/producer-pool.ts'
import { describe } from '../shown-value.ts'
import { LocalPool, type TaskHandler } from './local-pool.ts'
import type { Compressor } from './message/compressors.ts'
import { MessageFormats } from './message/message-format.ts'
import type { TraceContextSource } from './message/trace-context.ts'
import type { SerializerDefinition } from './message/value-serializer.ts'
import {
  type AppRule,
  asOption,
  invalidOption,
  ofTasks,
  oneOf,
  ownCompressors,
  serializerDefinitions,
} from './options/app-rules.ts'
import { deliveryMode, duration, flag, integerFrom, nonEmptyText } from './options/option-rules.ts'
import { type RetryPolicy, retryPolicy } from './options/retry-policy.ts'
import type { CheckedTaskOptions } from './options/task-option-values.ts'
import { taskOptions } from './options/task-options.ts'
import { RESULT_OPTIONS, type ResultOptions, type ResultSettings, resultSettings } from './results/result-options.ts'
import {
  ROUTING_OPTIONS,
  type RoutingOptions,
  type RoutingSettings,
  routingSettings,
} from './routing/routing-options.ts'

/** What an app decides for all its tasks. Names and meanings are Celery's settings, in camelCase. */
export interface AppOptions extends RoutingOptions, ResultOptions {
  /** The message protocol: 2, or 1 for workers before Celery 4. Default: 2. */
  taskProtocol?: 1 | 2
  /** What bodies are written in, unless a task says otherwise. Default: `json`. */
  taskSerializer?: string
  /** How bodies are made smaller, unless a task says otherwise. Default: not at all. */
  taskCompression?: string
  /** The priority of tasks that name none, 0 to 255. Default: 0. */
  taskDefaultPriority?: number
  /** The delivery mode of tasks that name none. Default: 2, persistent. */
  taskDefaultDeliveryMode?: 'transient' | 'persistent' | 1 | 2
  /** Whether workers store no result of tasks that do not say. Default: false. */
  taskIgnoreResult?: boolean
  /** Seconds after which workers kill a task that does not say. Default: the worker's own. */
  taskTimeLimit?: number
  /** Seconds after which a task that does not say sees SoftTimeLimitExceeded. Default: the worker's own. */
  taskSoftTimeLimit?: number
  /** False: no message is written twice, see the option `retry` of a task. Default: true. */
  taskPublishRetry?: boolean
  /** How messages are sent again after a fault, see the option `retryPolicy` of a task. */
  taskPublishRetryPolicy?: RetryPolicy
  /** True: monitors such as Flower are told of each task by a `task-sent` event. Default: false. */
  taskSendSentEvent?: boolean
  /**
   * Gives the W3C trace context of whoever sends a task, for the headers `traceparent` and `tracestate`.
   * Default: none.
   */
  traceContext?: TraceContextSource
  /**
   * True: tasks run in this process by `taskHandlers`, and nothing is sent; what a task links is not started. For
   * development. Default: false.
   */
  taskAlwaysEager?: boolean
  /** What runs in the place of a worker's tasks, by their names, where `taskAlwaysEager` is true and in tests. */
  taskHandlers?: Readonly<Record<string, TaskHandler>>
  /**
   * True: json carries Dates and binary data in kombu's typed envelopes, for workers with kombu 5.3 or later.
   * Default: false.
   */
  jsonTypes?: boolean
  /** Serializers of the app's own, by the names that tasks call them. */
  serializers?: Readonly<Record<string, SerializerDefinition>>
  /** Compressions of the app's own, by the names that tasks call them. */
  compressors?: Readonly<Record<string, Compressor>>
  /** What the exchanges of commands to workers are called by. Default: `celery`. */
  controlExchange?: string
}

/** What `createCelery` takes: a pool that exists, or the options of one of its own. */
export interface CeleryOptions extends AppOptions, PoolOptions {
  /** A pool to publish through. Without one, the app makes its own from the other options. */
  pool?: ProducerPool
}

/** An app's own options but for those of its routing and its results. */
type OtherOptions = Omit<AppOptions, keyof RoutingOptions | keyof ResultOptions>
/** The options that every app has, by default if need be. */
type Settled = 'taskProtocol' | 'taskSerializer' | 'controlExchange' | 'jsonTypes' | 'serializers' | 'compressors'

/** {@link AppOptions} checked, with defaults where there are any. */
export type EffectiveAppOptions = Readonly<Required<Pick<OtherOptions, Settled>>> & {
  readonly [Name in Exclude<keyof OtherOptions, Settled>]: OtherOptions[Name] | undefined
} & { readonly routing: RoutingSettings; readonly results: ResultSettings }

/** What an app is made of. */
export interface CeleryParts {
  readonly pool: ProducerPool
  readonly ownsPool: boolean
  readonly options: EffectiveAppOptions
  /** How its messages are written. */
  readonly formats: MessageFormats
  /** What its tasks have that say nothing else. */
  readonly defaults: CheckedTaskOptions
}

const RULES: { readonly [Name in keyof Required<OtherOptions>]: AppRule<EffectiveAppOptions[Name]> } = {
  taskProtocol: oneOf(2, 1),
  taskSerializer: (name, value = 'json') => asOption(() => nonEmptyText(name, value)),
  taskCompression: ofTasks(nonEmptyText),
  taskDefaultPriority: ofTasks(integerFrom(0, 255)),
  taskDefaultDeliveryMode: ofTasks(deliveryMode),
  taskIgnoreResult: ofTasks(flag),
  taskTimeLimit: ofTasks(duration),
  taskSoftTimeLimit: ofTasks(duration),
  taskPublishRetry: ofTasks(flag),
  taskPublishRetryPolicy: ofTasks(retryPolicy),
  taskSendSentEvent: ofTasks(flag),
  traceContext: (name, value) => {
    if (value === undefined || typeof value === 'function') return value as TraceContextSource | undefined
    throw invalidOption(`${name} must be a function, got ${describe(value)}`)
  },
  taskAlwaysEager: ofTasks(flag),
  taskHandlers,
  jsonTypes: oneOf(false, true),
  serializers: serializerDefinitions,
  compressors: ownCompressors,
  controlExchange: (name, value = 'celery') => asOption(() => nonEmptyText(name, value)),
}

/**
 * The parts of an app: its options are checked before a pool is made of the rest.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function celeryParts(given: CeleryOptions = {}): CeleryParts {
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(`options must be an object, got ${describe(given)}`)
  }
  const { pool, ...others } = given
  const rest = others as Record<string, unknown>
  const checked: Record<string, unknown> = {}
  for (const [name, rule] of Object.entries(RULES)) {
    checked[name] = rule(name, rest[name])
    delete rest[name]
  }
  checked.routing = routingSettings(taken(rest, ROUTING_OPTIONS))
  checked.results = resultSettings(taken(rest, RESULT_OPTIONS))
  const options = Object.freeze(checked) as unknown as EffectiveAppOptions
  const parts = { options, formats: asOption(() => new MessageFormats(options)), defaults: defaultsOf(options) }
  if (pool === undefined) return { pool: openPool(options, rest), ownsPool: true, ...parts }

  if (typeof (pool as ProducerPool | null)?.send !== 'function')
    throw invalidOption(`pool must be a ProducerPool, got ${describe(pool)}`)
  if (options.taskAlwaysEager && !((pool as unknown) instanceof LocalPool)) {
    throw invalidOption('taskAlwaysEager sends no task, and a pool is given to send them')
  }
  const extra = Object.keys(rest).find((name) => rest[name] !== undefined)
  if (extra !== undefined) throw invalidOption(`${extra} is an option of a pool, and a pool is given already`)
  return { pool, ownsPool: false, ...parts }
}

/** The app's own pool, or what stands in its place where tasks run in this process. */
function openPool({ taskAlwaysEager, taskHandlers }: EffectiveAppOptions, options: PoolOptions): ProducerPool {
  if (!taskAlwaysEager) return new ProducerPool(options)
  poolOptions(options)
  return new LocalPool(new Map(Object.entries(taskHandlers ?? {})), true) as unknown as ProducerPool
}

function taskHandlers(name: string, value: unknown): AppOptions['taskHandlers'] {
  if (value === undefined) return undefined
  if (!isPlainObject(value)) throw invalidOption(`${name} must be a plain object, got ${describe(value)}`)
  for (const [task, handler] of Object.entries(value)) {
    if (typeof handler !== 'function')
      throw invalidOption(`${name}.${task} must be a function, got ${describe(handler)}`)
  }
  return value as AppOptions['taskHandlers']
}

/** The options of these names, taken out of the others. */
function taken(options: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  const own: Record<string, unknown> = {}
  for (const name of names) {
    if (options[name] !== undefined) own[name] = options[name]
    delete options[name]
  }
  return own
}

/** What the app says for tasks that do not. */
function defaultsOf(options: EffectiveAppOptions): CheckedTaskOptions {
  const { taskTimeLimit: hard, taskSoftTimeLimit: soft } = options
  if (hard !== undefined && soft !== undefined && soft > hard) {
    throw invalidOption(`taskSoftTimeLimit (${soft}) must not be above taskTimeLimit (${hard})`)
  }
  return taskOptions({
    priority: options.taskDefaultPriority,
    deliveryMode: options.taskDefaultDeliveryMode,
    ignoreResult: options.taskIgnoreResult,
    timeLimit: hard,
    softTimeLimit: soft,
    retry: options.taskPublishRetry,
    retryPolicy: options.taskPublishRetryPolicy,
  })
}
