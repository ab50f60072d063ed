import { checkMessage, type MessageProperties } from '../amqp/message.ts'
import { PooledProducerError } from '../errors.ts'
import { describe } from '../shown-value.ts'
import type { Embed } from './message/arguments.ts'
import { isoToUtc } from './message/iso-time.ts'
import { headerTable } from './message/task-headers.ts'
import { UNREAD } from './message/value-serializer.ts'

/** A task's message before it is encoded: what a listener of `beforeTaskPublish` may change. */
export interface TaskDraft {
  /** The task's name; the worker goes by `headers.task`. */
  readonly name: string
  readonly taskId: string
  /** The positional arguments, in an array of the draft's own. */
  args: unknown[]
  /** The keyword arguments, in an object of the draft's own. */
  kwargs: Record<string, unknown>
  /** What the worker starts when the task has ended. */
  embed: Embed
  /** All headers, the protocol's own included. */
  headers: Record<string, unknown>
  /** The other properties, under amqplib's names. */
  properties: Omit<MessageProperties, 'headers'>
  exchange: string
  routingKey: string
}

/**
 * Checks what listeners have made of a draft.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the part.
 */
export function checkDraft({ headers, properties, exchange, routingKey }: TaskDraft, protocol: 1 | 2): void {
  headerTable('headers', headers)
  try {
    checkMessage({ exchange, routingKey, body: '', properties: { ...properties, headers } })
  } catch (error) {
    throw invalid((error as Error).message, error)
  }
  // A worker dies of a message without a content type, and drops one of protocol v2 without these.
  if (!properties.contentType) throw invalid('properties.contentType must stay')
  const contentType = properties.contentType as string
  if (UNREAD.has(contentType))
    throw invalid(`properties.contentType must not be ${contentType}, which kombu does not read`)
  const lost = protocol === 2 && ['task', 'id'].find((name) => typeof headers[name] !== 'string')
  if (lost) throw invalid(`headers.${lost} must stay a string`)
  if (protocol === 2) checkHeaders(headers)
  if (protocol === 1 && headers.task !== undefined) throw invalid('headers.task makes a message one of protocol v2')
}

/** A worker dies of what it cannot read of these, or loses the task without a word. */
function checkHeaders({ timelimit, eta, expires, ignore_result: ignored = false }: TaskDraft['headers']): void {
  const isLimit = (limit: unknown) => limit === null || typeof limit === 'number'
  const isTwoLimits = Array.isArray(timelimit) && timelimit.length === 2 && timelimit.every(isLimit)
  if (!isTwoLimits && timelimit !== undefined && timelimit !== null) {
    throw invalid(`headers.timelimit must be an array of two numbers or nulls, got ${describe(timelimit)}`)
  }
  for (const [name, time] of Object.entries({ eta, expires })) {
    // Without a zone a worker takes it for UTC.
    const isTime = typeof time === 'string' && (isoToUtc(time) ?? isoToUtc(`${time}Z`)) !== undefined
    if (!isTime && time !== undefined && time !== null) {
      throw invalid(`headers.${name} must be an ISO 8601 time or null, got ${describe(time)}`)
    }
  }
  if (typeof ignored !== 'boolean')
    throw invalid(`headers.ignore_result must be true or false, got ${describe(ignored)}`)
}

function invalid(message: string, cause?: unknown): PooledProducerError {
  const text = `after beforeTaskPublish: ${message}`
  return new PooledProducerError('ERR_INVALID_TASK', text, { outcome: 'not-sent', cause })
}
