import type { RetryPolicy } from '../options/retry-policy.ts'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import { OPTION_NAMES } from '../options/task-options.ts'
import type { Place } from '../routing/destination.ts'
import type { TaskQueue } from '../routing/task-queue.ts'
import { invalid } from './canvas.ts'

/** Options that concern our own publish; a worker has none for them, or its own. */
const OURS: ReadonlySet<string> = new Set(['mandatory', 'declare', 'timeoutMs', 'signal', 'producer'])
/** Celery's `task_default_queue`. */
const DEFAULT_QUEUE = 'celery'

/** What else `apply_async` takes, or what it makes messages with: no stamp among the options can have such a name. */
const OF_CELERY = (
  'add_to_parent app args body callbacks chord_size confirm_timeout connection content_encoding content_type ' +
  'create_sent_event errbacks event_dispatcher exception_keys expiration immediate immutable kwargs message name now ' +
  'origin properties publisher result_cls route_name router self task task_type timeout timezone'
).split(' ')
const TAKEN: ReadonlySet<string> = new Set([...OPTION_NAMES.map(snakeCase), ...OF_CELERY])

/**
 * Options as a worker that sends the task takes them: under the names of Celery's `apply_async`. Each stamp is one of
 * them; `stamped_headers` says which. Source: Celery 5.3, `celery/app/amqp.py`, `as_task_v2`.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK for a stamp that is called like an option.
 */
export function signatureOptions({ stamps = {}, ...options }: Partial<CheckedTaskOptions>): Record<string, unknown> {
  const table: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || OURS.has(name)) continue
    table[snakeCase(name)] = written(name, value)
  }
  const taken = Object.keys(stamps).find((name) => TAKEN.has(name))
  if (taken !== undefined) {
    throw invalid(
      `stamps.${taken} has the name of an option, beside which it stands in a workflow; choose another name`,
    )
  }
  return { ...table, ...stamps }
}

/**
 * Options that lead a worker, which has routes of its own, to where this app would send the task. Nothing is added for
 * Celery's default queue: a worker that was told of another one means it. How often to write a message again, the worker
 * has from its own app, unless the task says it.
 */
export function signaturePlace({ own, options: all, exchange, routingKey }: Place): CheckedTaskOptions {
  const { retry, retryPolicy } = own
  const options = { ...all, retry, retryPolicy } as CheckedTaskOptions
  if (options.queue !== undefined || options.exchange !== undefined) return options
  if (exchange !== '') return { ...options, exchange, routingKey }
  return routingKey === DEFAULT_QUEUE ? options : { ...options, queue: routingKey }
}

function written(name: string, value: unknown): unknown {
  if (name === 'queue' && typeof value === 'object') return (value as TaskQueue).name
  if (name !== 'retryPolicy') return value
  return Object.fromEntries(Object.entries(value as RetryPolicy).map(([key, each]) => [snakeCase(key), each]))
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
