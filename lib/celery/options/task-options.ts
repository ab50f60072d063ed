import { closestName } from '../../closest-name.ts'
import { PooledProducerError } from '../../errors.ts'
import { describe } from '../../options.ts'
import { isPlainObject } from '../message/json-value.ts'
import { type HeaderTable, userHeaders } from '../message/task-headers.ts'
import {
  abortSignal,
  deliveryMode,
  duration,
  flag,
  integerFrom,
  lifetime,
  type MessagePublisher,
  nonEmptyText,
  pointInTime,
  publisher,
  type Rule,
  secondsFromNow,
  shortText,
  text,
  timestamp,
} from './option-rules.ts'

interface TaskOptionValues {
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
  /** The queue's name. Default: what the routes say. */
  queue: string
  /** The exchange's name; empty: the default exchange. */
  exchange: string
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
  /** Gives the publish up when it is aborted; a message that was written may still arrive. */
  signal: AbortSignal
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
  readonly eta: string
  readonly expires: number | string
  readonly headers: HeaderTable
  readonly deliveryMode: 1 | 2
  readonly timestamp: number
}

/** {@link TaskOptions} checked, merged and frozen. It can be given as options again. */
export type CheckedTaskOptions = Readonly<Partial<Omit<TaskOptionValues, keyof Normalised | 'mandatory' | 'declare'>>> &
  Readonly<Partial<Normalised>> & { readonly mandatory: boolean; readonly declare: boolean }

/** The options of a task that was given none. */
export const DEFAULT_TASK_OPTIONS: CheckedTaskOptions = Object.freeze({ mandatory: true, declare: true })

const MAX_INTEGER = 2 ** 31 - 1

const RULES: { readonly [Name in keyof TaskOptionValues]: Rule<unknown> } = {
  taskId: nonEmptyText,
  countdown: secondsFromNow,
  eta: pointInTime,
  expires: lifetime,
  queue: nonEmptyText,
  exchange: shortText,
  routingKey: shortText,
  priority: integerFrom(0, 255),
  headers: (_, value) => userHeaders(value),
  deliveryMode,
  mandatory: flag,
  declare: flag,
  timeLimit: duration,
  softTimeLimit: duration,
  shadow: text,
  ignoreResult: flag,
  replyTo: nonEmptyText,
  correlationId: nonEmptyText,
  rootId: nonEmptyText,
  parentId: nonEmptyText,
  groupId: nonEmptyText,
  groupIndex: integerFrom(0, MAX_INTEGER),
  retries: integerFrom(0, MAX_INTEGER),
  argsrepr: text,
  kwargsrepr: text,
  messageId: shortText,
  appId: shortText,
  type: shortText,
  userId: shortText,
  timestamp,
  timeoutMs: integerFrom(1, MAX_INTEGER),
  signal: abortSignal,
  producer: publisher,
}

const NAMES = Object.keys(RULES)

/**
 * A call's options, checked and laid over those of its task.
 *
 * @param defaults what this function gave for the task's own options.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the option, the value and what was expected.
 */
export function taskOptions(
  options: TaskOptions = {},
  defaults: CheckedTaskOptions = DEFAULT_TASK_OPTIONS,
): CheckedTaskOptions {
  if (!isPlainObject(options)) throw invalid(`the options of a task must be an object, got ${describe(options)}`)
  const given = Object.entries(options).filter(([name, value]) => known(name) && value !== undefined)
  if (given.length === 0) return defaults

  const merged: Record<string, unknown> = { ...defaults }
  for (const [name, value] of given) {
    if (value === null) reset(merged, name)
    else merged[name] = RULES[name as keyof TaskOptionValues](name, value)
  }
  const checked = merged as { -readonly [Name in keyof CheckedTaskOptions]: CheckedTaskOptions[Name] }
  settleStart(options, checked)
  if (options.headers) checked.headers = Object.freeze({ ...defaults.headers, ...checked.headers })
  const { softTimeLimit: soft, timeLimit: hard } = checked
  if (soft !== undefined && hard !== undefined && soft > hard) {
    throw invalid(`softTimeLimit (${soft}) must not be above timeLimit (${hard})`)
  }
  return Object.freeze(checked)
}

function reset(merged: Record<string, unknown>, name: string): void {
  if (Object.hasOwn(DEFAULT_TASK_OPTIONS, name)) merged[name] = DEFAULT_TASK_OPTIONS[name as 'mandatory']
  else delete merged[name]
}

/** Of `countdown` and `eta` one can be given; a call's takes the place of the task's. */
function settleStart({ countdown, eta }: TaskOptions, checked: { countdown?: number; eta?: string }): void {
  const hasCountdown = typeof countdown === 'number'
  const hasEta = typeof eta === 'string' || (typeof eta === 'object' && eta !== null)
  if (hasCountdown && hasEta) throw invalid('countdown and eta cannot both be given')
  if (hasCountdown) delete checked.eta
  if (hasEta) delete checked.countdown
}

/**
 * The name, when a task can have it: a string of 1 to 255 bytes with no control character and no
 * whitespace at its ends.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK
 */
export function taskName(name: unknown): string {
  const checked = nonEmptyText('the name of a task', name)
  if (checked.trim() !== checked) {
    throw invalid(`the name of a task must have no whitespace at its ends, got ${describe(name)}`)
  }
  return checked
}

function known(name: string): true {
  if (Object.hasOwn(RULES, name)) return true
  const near = closestName(name, NAMES)
  const hint = near === undefined ? `known are ${NAMES.join(', ')}` : `did you mean ${near}?`
  throw invalid(`${name} is not an option of a task; ${hint}`)
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
