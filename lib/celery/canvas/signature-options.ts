import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import type { Place } from '../routing/destination.ts'

/** Options that concern our own publish; a worker has none for them, or its own. */
const OURS: ReadonlySet<string> = new Set(['mandatory', 'declare', 'timeoutMs', 'signal', 'producer'])
/** Celery's `task_default_queue`. */
const DEFAULT_QUEUE = 'celery'

/** Options as a worker that sends the task takes them: under the names of Celery's `apply_async`. */
export function signatureOptions(options: Partial<CheckedTaskOptions>): Record<string, unknown> {
  const table: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || OURS.has(name)) continue
    table[snakeCase(name)] = name === 'queue' && typeof value === 'object' ? (value as { name: string }).name : value
  }
  return table
}

/**
 * Options that lead a worker, which has routes of its own, to where this app would send the task. Nothing is added for
 * Celery's default queue: a worker that was told of another one means it.
 */
export function signaturePlace({ options, exchange, routingKey }: Place): CheckedTaskOptions {
  if (options.queue !== undefined || options.exchange !== undefined) return options
  if (exchange !== '') return { ...options, exchange, routingKey }
  return routingKey === DEFAULT_QUEUE ? options : { ...options, queue: routingKey }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
