import type { HeaderTable } from '../message/task-headers.ts'
import type { QueueOptions, TaskQueue } from '../routing/task-queue.ts'
import type { MessagePublisher } from './option-rules.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { SignatureTable, WrittenSignature } from './signature-rules.ts'

type AnySignature = SignatureTable | WrittenSignature

/** Every option by its name, with the values that a caller may give. */
export interface TaskOptionValues {
  /** The task's id, which a re-sent message keeps. Default: a random UUID. */
  taskId: string
  /** Seconds from now until a worker may start the task; 0 is none, and a negative number a time in the past. */
  countdown: number
  /** When a worker may start the task: a Date, or an ISO 8601 string with a zone. Not together with `countdown`. */
  eta: Date | string
  /**
   * When the task is dropped unstarted: seconds from now, a Date, or an ISO 8601 string with a zone. A time
   * in the past is sent, as Celery does: only a worker that takes the message at once sees it.
   */
  expires: number | Date | string
  /** The queue, or its name. Default: what the routes say. */
  queue: string | QueueOptions | TaskQueue
  /** The exchange's name; empty: the default exchange. */
  exchange: string
  /** The type of the exchange that the queue is behind. Default: what `taskQueues` says, or `direct`. */
  exchangeType: string
  /** The routing key. */
  routingKey: string
  /** 0 to 255; a queue without `x-max-priority` ignores it. Default: 0. */
  priority: number
  /** Headers beside Celery's own; a task's and a call's are merged. A worker shows them on its `request`. */
  headers: Readonly<Record<string, unknown>>
  /** `persistent` or 2: survives a restart of the broker on a durable queue; `transient` or 1: does not. Default: 2. */
  deliveryMode: 'transient' | 'persistent' | 1 | 2
  /** True: a task that no queue takes is an error, ERR_UNROUTABLE. Default: true. */
  mandatory: boolean
  /** True: the queue is declared, once per connection. Default: true. */
  declare: boolean
  /** Seconds after which the worker kills the task. */
  timeLimit: number
  /** Seconds after which the task sees SoftTimeLimitExceeded; not above `timeLimit`. */
  softTimeLimit: number
  /** The name that logs and monitors show in place of the task's. */
  shadow: string
  /** True: the worker stores no result. Default: false. */
  ignoreResult: boolean
  /** The queue that the result is sent to. */
  replyTo: string
  /** Default: the task's id. */
  correlationId: string
  /** The id of the first task of a workflow. Default: the task's id. */
  rootId: string
  /** The id of the task that sent this one. */
  parentId: string
  /** The id of the group that the task is in. */
  groupId: string
  /** The place in that group, from 0. */
  groupIndex: number
  /** How often the task was tried before. Default: 0. */
  retries: number
  /** What logs and monitors show in place of the positional arguments; for secrets. */
  argsrepr: string
  /** What logs and monitors show in place of the keyword arguments; for secrets. */
  kwargsrepr: string
  /** The AMQP property `message_id`. */
  messageId: string
  /** The AMQP property `app_id`. */
  appId: string
  /** The AMQP property `type`. */
  type: string
  /** The AMQP property `user_id`; the broker refuses any name but that of the connection's user. */
  userId: string
  /** The AMQP property `timestamp`: a Date, or whole seconds since 1970. */
  timestamp: number | Date
  /** Bounds the publish as a whole, in milliseconds. Default: the pool's `publishTimeoutMs`. */
  timeoutMs: number
  /**
   * False: the message is written once at most, and one whose outcome a fault leaves open is rejected with
   * the outcome `unknown`; it still waits for a connection. Default: true, sent again as long as `timeoutMs` lasts.
   */
  retry: boolean
  /**
   * How often a message is written again after a fault, and after which pauses, in seconds. Default: at once, without
   * a bound but `timeoutMs`.
   */
  retryPolicy: RetryPolicy
  /** Gives the publish up when it is aborted; a message that was written may still arrive. */
  signal: AbortSignal
  /** What the body is written in: `json`, or another serializer that the app and the worker have. Default: the app's. */
  serializer: string
  /**
   * How the body is made smaller: `gzip`, `zlib`, `brotli`, or another that the app and the worker have. Default: the
   * app's.
   */
  compression: string
  /**
   * Marks by name, which travel with the task and by which workers revoke. Celery 5.3 and later; older
   * workers ignore them.
   */
  stamps: Readonly<Record<string, unknown>>
  /** The names of the stamps that count. Default: all. */
  stampedHeaders: readonly string[]
  /** How often the task was replaced by another. Default: 0. */
  replacedTaskNesting: number
  /** Started with the result when the task has succeeded: one signature or several. */
  link: AnySignature | readonly AnySignature[]
  /** Started when the task has failed: one signature or several. */
  linkError: AnySignature | readonly AnySignature[]
  /** Started one after the other with the result; the first of them stands last, as in Celery's message. */
  chain: readonly AnySignature[]
  /** Started with the results of the task's group when all of it has succeeded. */
  chord: AnySignature
  /** Publishes the task in place of the pool; it stays leased. */
  producer: MessagePublisher
}

/**
 * The options of one call, or of a task for all its calls. `undefined` is as good as absent; `null` takes
 * a task's own option away. Names and meanings are Celery's, in camelCase. Source: Celery, "Calling Tasks".
 */
export type TaskOptions = { readonly [Name in keyof TaskOptionValues]?: TaskOptionValues[Name] | null | undefined }

/** What {@link taskOptions} makes of the values that can be spelled in several ways; times are as `isoFormat` has them. */
interface Normalised {
  readonly queue: string | TaskQueue
  readonly eta: string
  readonly expires: number | string
  readonly headers: HeaderTable
  readonly deliveryMode: 1 | 2
  readonly timestamp: number
  readonly stamps: HeaderTable
  readonly link: readonly SignatureTable[]
  readonly linkError: readonly SignatureTable[]
  readonly chain: readonly SignatureTable[]
  readonly chord: SignatureTable
}

/** {@link TaskOptions} checked, merged and frozen. It can be given as options again. */
export type CheckedTaskOptions = Readonly<Partial<Omit<TaskOptionValues, keyof Normalised | 'mandatory' | 'declare'>>> &
  Readonly<Partial<Normalised>> & { readonly mandatory: boolean; readonly declare: boolean }

/** The options of a task that was given none. */
export const DEFAULT_TASK_OPTIONS: CheckedTaskOptions = Object.freeze({ mandatory: true, declare: true })
