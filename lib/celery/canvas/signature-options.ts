import type { RetryPolicy } from '../options/retry-policy.ts'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import type { Place } from '../routing/destination.ts'
import type { TaskQueue } from '../routing/task-queue.ts'

/** Options that concern our own publish; a worker has none for them, or its own. */
const OURS: ReadonlySet<string> = new Set(['mandatory', 'declare', 'timeoutMs', 'signal', 'producer'])
/** Celery's `task_default_queue`. */
const DEFAULT_QUEUE = 'celery'

/** Options as a worker that sends the task takes them: under the names of Celery's `apply_async`. */
export function signatureOptions(options: Partial<CheckedTaskOptions>): Record<string, unknown> {
  const table: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || OURS.has(name)) continue
    table[snakeCase(name)] = written(name, value)
  }
  return table
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
