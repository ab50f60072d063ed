import { randomUUID } from 'node:crypto'
import type { Celery } from '../../lib/celery/celery.ts'
import type { TaskOptions } from '../../lib/celery/options/task-option-values.ts'
import type { Call } from './calls.ts'

/** Celery always names a queue for replies, also when there is no backend to reply to. */
const REPLY_QUEUE = randomUUID()

/** Makes a call with this package. */
export async function send(app: Celery, { task, args, kwargs, options }: Call): Promise<void> {
  await app.createTask(task as string, { replyTo: REPLY_QUEUE }).applyAsync(args, kwargs, optionsOf(options))
}

function optionsOf(options: object = {}): TaskOptions {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, expanded(value)]))
}

function expanded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$date' in value) return new Date(value.$date as string)
  return value
}
