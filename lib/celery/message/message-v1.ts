import { PooledProducerError } from '../../errors.ts'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import type { Embed } from './arguments.ts'
import {
  type BodyFormat,
  otherProperties,
  type TaskProperties,
  type TaskTimes,
  type TraceHeaders,
} from './message-v2.ts'
import type { TaskTable } from './serializer.ts'

/** Options that protocol v1 has no field for, and whose loss would be felt. */
const LOST = ['chain', 'shadow', 'ignoreResult', 'stamps', 'replacedTaskNesting'] as const

/**
 * Refuses what protocol v1 has no word for; Celery drops it. Of `rootId`, `parentId`, `argsrepr` and
 * `kwargsrepr` nothing hangs on the loss: they are left out.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK
 */
export function checkV1(options: CheckedTaskOptions): void {
  const lost = LOST.find((name) => options[name] !== undefined && options[name] !== false)
  if (lost === undefined) return
  throw new PooledProducerError('ERR_INVALID_TASK', `${lost} has no place in protocol v1 (taskProtocol: 1)`, {
    outcome: 'not-sent',
  })
}

/**
 * The properties of a protocol v1 message. Its headers are the caller's alone: a worker takes a message with
 * a header `task` for one of protocol v2. Source: Celery, `celery/app/amqp.py`, `as_task_v1`.
 */
export function taskPropertiesV1<T>(
  id: T | string,
  options: CheckedTaskOptions,
  expiration: string | undefined,
  format: BodyFormat,
  trace: TraceHeaders<T> = {},
): TaskProperties<T> {
  const { contentType, contentEncoding, compression } = format
  return {
    contentType,
    contentEncoding,
    headers: { ...(compression === undefined ? {} : { compression }), ...trace, ...options.headers },
    ...otherProperties<T | string>(id, options, expiration),
  } as TaskProperties<T>
}

/** The body of a protocol v1 message: all that protocol v2 says in headers, as far as v1 has a word for it. */
export function taskTableV1(
  name: string,
  id: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: CheckedTaskOptions,
  times: TaskTimes,
  embed: Embed | undefined,
): TaskTable {
  const { groupId = null, groupIndex = null, retries = 0, timeLimit = null, softTimeLimit = null } = options
  return {
    task: name,
    id,
    args,
    kwargs,
    group: groupId,
    group_index: groupIndex,
    retries,
    eta: times.eta,
    expires: times.expires,
    utc: true,
    callbacks: embed?.callbacks ?? null,
    errbacks: embed?.errbacks ?? null,
    timelimit: [timeLimit, softTimeLimit],
    taskset: groupId,
    chord: embed?.chord ?? null,
  }
}
