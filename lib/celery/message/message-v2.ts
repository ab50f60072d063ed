import { hostname } from 'node:os'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import { isoFormat } from './iso-time.ts'
import type { HeaderValue } from './task-headers.ts'

/** Who sends: Celery's name for a process that is no worker (`anon_nodename`). */
export const ORIGIN: string = `gen${process.pid}@${hostname()}`

/**
 * A per-message TTL that RabbitMQ takes, in milliseconds: ten years. It closes the channel over a longer
 * one; the `expires` header keeps the exact time.
 */
const MAX_EXPIRATION_MS = 315_360_000_000

/** What a body is written in. */
export interface BodyFormat {
  readonly contentType: string
  readonly contentEncoding: string
  /** What undoes its compression; undefined: it is not compressed. */
  readonly compression?: string | undefined
}

/** What differs between two messages of one task: strings, or the slots of a template. */
export interface VaryingParts<T> {
  readonly id: T
  readonly argsrepr: T
  readonly kwargsrepr: T
}

/** The headers `traceparent` and `tracestate`: strings, or the slots of a template. */
export interface TraceHeaders<T = never> {
  readonly traceparent?: string | T
  readonly tracestate?: string | T
}

/** When a message's task may start and when it is dropped, as headers and as the property `expiration`. */
export interface TaskTimes<T = never> {
  readonly eta: string | T | null
  readonly expires: string | T | null
  /** Milliseconds, as AMQP spells them; undefined: the message lives for ever. */
  readonly expiration: string | undefined
}

/** A message's properties under amqplib's names; what is not set is absent. */
export interface TaskProperties<T> {
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: Readonly<Record<string, HeaderValue | T | readonly (HeaderValue | T)[]>>
  readonly deliveryMode: 1 | 2
  readonly priority: number
  readonly correlationId: string | T
  readonly replyTo?: string
  readonly expiration?: string
  readonly messageId?: string
  readonly timestamp?: number
  readonly type?: string
  readonly userId?: string
  readonly appId?: string
}

const JSON_FORMAT: BodyFormat = Object.freeze({ contentType: 'application/json', contentEncoding: 'utf-8' })
const NO_TRACE: TraceHeaders<never> = Object.freeze({})
export const NO_TIMES: TaskTimes = Object.freeze({ eta: null, expires: null, expiration: undefined })

/**
 * The times of a message that is sent at `now`, in milliseconds since 1970, a whole number. A lifetime
 * that is over gives the expiration `0`, as in Celery.
 */
export function taskTimes({ countdown, eta, expires }: CheckedTaskOptions, now: number): TaskTimes {
  if (countdown === undefined && eta === undefined && expires === undefined) return NO_TIMES
  return {
    // To Celery a countdown of 0 is none.
    eta: eta ?? (countdown ? later(now, countdown) : null),
    expires: typeof expires === 'number' ? later(now, expires) : (expires ?? null),
    expiration: expires === undefined ? undefined : expiration(expires, now),
  }
}

function later(now: number, seconds: number): string {
  const micros = Math.round(seconds * 1e6)
  const ms = Math.floor(micros / 1_000)
  return isoFormat(now + ms, micros - ms * 1_000)
}

function expiration(expires: number | string, now: number): string {
  const ms = typeof expires === 'number' ? Math.trunc(expires * 1_000) : Date.parse(expires) - now
  return `${Math.min(Math.max(ms, 0), MAX_EXPIRATION_MS)}`
}

/**
 * The properties of a protocol v2 message: Celery's 19 headers in Celery's order, then the caller's own.
 * Pure: the same function makes a message and, with slots in the varying places, a template of many.
 * Source: Celery, "Message Protocol", version 2, and `celery/app/amqp.py`, `as_task_v2`.
 *
 * @param origin {@link ORIGIN}, unless a test says otherwise.
 * @param times what {@link taskTimes} gives, or slots.
 * @param format a serializer; a worker dies of a message without content type.
 * @param trace headers of the trace, before which the caller's own of these names go.
 */
export function taskPropertiesV2<T>(
  name: string,
  varying: VaryingParts<T>,
  options: CheckedTaskOptions,
  origin: string,
  times: TaskTimes<T> = NO_TIMES,
  format: BodyFormat = JSON_FORMAT,
  trace: TraceHeaders<T> = NO_TRACE,
): TaskProperties<T> {
  const { compression } = format
  return {
    contentType: format.contentType,
    contentEncoding: format.contentEncoding,
    headers: {
      lang: 'py',
      task: name,
      id: varying.id,
      shadow: options.shadow ?? null,
      eta: times.eta,
      expires: times.expires,
      group: options.groupId ?? null,
      group_index: options.groupIndex ?? null,
      retries: options.retries ?? 0,
      // Hard limit first: Celery's protocol document has them the other way round, its code does not.
      timelimit: [options.timeLimit ?? null, options.softTimeLimit ?? null],
      root_id: options.rootId ?? varying.id,
      parent_id: options.parentId ?? null,
      argsrepr: options.argsrepr ?? varying.argsrepr,
      kwargsrepr: options.kwargsrepr ?? varying.kwargsrepr,
      origin,
      ignore_result: options.ignoreResult ?? false,
      replaced_task_nesting: options.replacedTaskNesting ?? 0,
      stamped_headers: options.stampedHeaders ?? null,
      stamps: options.stamps ?? {},
      ...(compression === undefined ? {} : { compression }),
      ...trace,
      ...options.headers,
    },
    ...otherProperties(varying.id, options, times.expiration),
  }
}

/** The properties that protocols v1 and v2 share. */
export function otherProperties<T>(
  id: T,
  options: CheckedTaskOptions,
  expiration: string | undefined,
): Omit<TaskProperties<T>, 'contentType' | 'contentEncoding' | 'headers'> {
  const { replyTo, messageId, timestamp, type, userId, appId } = options
  return {
    deliveryMode: options.deliveryMode ?? 2,
    priority: options.priority ?? 0,
    correlationId: options.correlationId ?? id,
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(expiration === undefined ? {} : { expiration }),
    ...(messageId === undefined ? {} : { messageId }),
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(type === undefined ? {} : { type }),
    ...(userId === undefined ? {} : { userId }),
    ...(appId === undefined ? {} : { appId }),
  }
}
