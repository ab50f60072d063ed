import { closestName } from '../../closest-name.ts'
import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { type HeaderValue, headerTable, userHeaders } from '../message/task-headers.ts'
import { TaskQueue } from '../routing/task-queue.ts'
import {
  abortSignal,
  deliveryMode,
  duration,
  flag,
  integerFrom,
  lifetime,
  names,
  nonEmptyText,
  pointInTime,
  publisher,
  type Rule,
  secondsFromNow,
  shortText,
  text,
  timestamp,
} from './option-rules.ts'
import { retryPolicy } from './retry-policy.ts'
import { errbacks, signature, signatureList, signatures } from './signature-rules.ts'
import {
  type CheckedTaskOptions,
  DEFAULT_TASK_OPTIONS,
  type TaskOptions,
  type TaskOptionValues,
} from './task-option-values.ts'

const MAX_INTEGER = 2 ** 31 - 1

const RULES: { readonly [Name in keyof TaskOptionValues]: Rule<unknown> } = {
  taskId: nonEmptyText,
  countdown: secondsFromNow,
  eta: pointInTime,
  expires: lifetime,
  queue: queueChoice,
  exchange: shortText,
  exchangeType: nonEmptyText,
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
  retry: flag,
  retryPolicy,
  timeoutMs: integerFrom(1, MAX_INTEGER),
  signal: abortSignal,
  serializer: nonEmptyText,
  compression: nonEmptyText,
  stamps: headerTable,
  stampedHeaders: names,
  replacedTaskNesting: integerFrom(0, MAX_INTEGER),
  link: signatures,
  linkError: errbacks,
  chain: signatureList,
  chord: signature,
  producer: publisher,
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** The options of a task, by their names here. */
export const OPTION_NAMES: readonly string[] = Object.keys(RULES)

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
  const checked = merged as Writable<CheckedTaskOptions>
  settleStart(options, checked)
  if (options.headers) checked.headers = Object.freeze({ ...defaults.headers, ...checked.headers })
  if (options.retryPolicy) checked.retryPolicy = Object.freeze({ ...defaults.retryPolicy, ...checked.retryPolicy })
  settleStamps(options, checked)
  const { softTimeLimit: soft, timeLimit: hard } = checked
  if (soft !== undefined && hard !== undefined && soft > hard) {
    throw invalid(`softTimeLimit (${soft}) must not be above timeLimit (${hard})`)
  }
  return Object.freeze(checked)
}

/** A queue's name, or all that is to be said of it. */
function queueChoice(name: string, value: unknown): string | TaskQueue {
  if (value instanceof TaskQueue) return value
  return isPlainObject(value) ? new TaskQueue(value as never, name, {}, 'ERR_INVALID_TASK') : nonEmptyText(name, value)
}

function reset(merged: Record<string, unknown>, name: string): void {
  if (Object.hasOwn(DEFAULT_TASK_OPTIONS, name)) merged[name] = DEFAULT_TASK_OPTIONS[name as 'mandatory']
  else delete merged[name]
}

/** Celery sends the names of the stamps and then each; here a name without a stamp is refused. */
function settleStamps({ stamps, stampedHeaders }: TaskOptions, checked: Writable<CheckedTaskOptions>): void {
  if (stamps === null && !stampedHeaders) delete checked.stampedHeaders
  if (!stamps && !stampedHeaders) return
  const held = checked.stamps ?? {}
  const listed = stampedHeaders ? (checked.stampedHeaders ?? []) : Object.keys(held)
  const missing = listed.find((name) => !Object.hasOwn(held, name))
  if (missing !== undefined) throw invalid(`stampedHeaders names ${describe(missing)}, which stamps does not hold`)
  checked.stampedHeaders = Object.freeze(listed)
  checked.stamps = Object.freeze(Object.fromEntries(listed.map((name) => [name, held[name] as HeaderValue])))
}

/** Of `countdown` and `eta` one can be given, but a countdown of 0 is none; a call's takes the place of the task's. */
function settleStart({ countdown, eta }: TaskOptions, checked: { countdown?: number; eta?: string }): void {
  const hasCountdown = typeof countdown === 'number'
  const hasEta = typeof eta === 'string' || (typeof eta === 'object' && eta !== null)
  if (countdown && hasEta) throw invalid('countdown and eta cannot both be given')
  if (hasCountdown && !hasEta) delete checked.eta
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
  const near = closestName(name, OPTION_NAMES)
  const hint = near === undefined ? `known are ${OPTION_NAMES.join(', ')}` : `did you mean ${near}?`
  throw invalid(`${name} is not an option of a task; ${hint}`)
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
