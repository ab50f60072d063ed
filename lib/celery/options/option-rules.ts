import { types } from 'node:util'
import { PooledProducerError } from '../../errors.ts'
import { describe } from '../../shown-value.ts'
import { isoFormat, isoToUtc } from '../message/iso-time.ts'

/**
 * The check of one option: gives the value as it is kept.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the option, the value and what was expected.
 */
export type Rule<T> = (name: string, value: unknown) => T

/** The longest string that AMQP holds outside a header table. */
export const MAX_SHORT_BYTES = 255
/** Half of a surrogate pair is none, but has no bytes in UTF-8: another character would arrive. */
export const CONTROL_CHARACTER: RegExp = /[\p{Cc}\p{Cs}]/u
/** 68 years; Celery's own lower bound. */
const MAX_SECONDS = 2 ** 31
const ZONELESS = /^\d{4}-\d\d-\d\d(?:[T ][\d:.,]*)?$/i

export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(name, 'a string', value)
  if (!value.isWellFormed()) throw invalid(name, 'a string without half a pair of surrogates', value)
  return value
}

/** A string that is an AMQP short string, and that nothing can hide in. */
export function shortText(name: string, value: unknown): string {
  if (typeof value !== 'string' || Buffer.byteLength(value) > MAX_SHORT_BYTES) {
    throw invalid(name, `a string of ${MAX_SHORT_BYTES} bytes at most`, value)
  }
  if (CONTROL_CHARACTER.test(value)) throw invalid(name, 'a string without control characters', value)
  return value
}

export function nonEmptyText(name: string, value: unknown): string {
  if (value === '') throw invalid(name, 'a string that is not empty', value)
  return shortText(name, value)
}

export function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value)
  return value
}

export function integerFrom(min: number, max: number): Rule<number> {
  return (name, value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw invalid(name, `an integer from ${min} to ${max}`, value)
    }
    return value
  }
}

/** Several short strings, each once. */
export function names(name: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalid(name, 'an array of names', value)
  const list = Array.from(value, (item, index) => nonEmptyText(`${name}[${index}]`, item))
  return Object.freeze([...new Set(list)])
}

/** Seconds that may lie in the past. */
export function secondsFromNow(name: string, value: unknown): number {
  if (typeof value !== 'number' || !(Math.abs(value) <= MAX_SECONDS)) {
    throw invalid(name, `a number of seconds from ${-MAX_SECONDS} to ${MAX_SECONDS}`, value)
  }
  return value
}

/** Seconds that something may take; 0 would be a worker's own limit, not none. */
export function duration(name: string, value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_SECONDS)) {
    throw invalid(name, `a number of seconds above 0 and up to ${MAX_SECONDS}`, value)
  }
  return value
}

/** A point in time, as `isoFormat` spells it. */
export function pointInTime(name: string, value: unknown): string {
  if (types.isDate(value)) {
    const year = value.getUTCFullYear()
    if (!(year >= 1 && year <= 9_999)) throw invalid(name, 'a valid Date of the years 1 to 9999', value)
    return isoFormat(value.getTime())
  }
  if (typeof value !== 'string') throw invalid(name, 'a Date or an ISO 8601 string with a zone', value)
  if (ZONELESS.test(value)) {
    const why = 'a worker would take it for UTC'
    throw invalid(name, `a time with its zone, such as 2026-11-22T05:02:44+00:00 (${why})`, value)
  }
  const utc = isoToUtc(value)
  if (utc === undefined) throw invalid(name, 'an ISO 8601 string such as 2026-11-22T05:02:44+00:00', value)
  return utc
}

export function lifetime(name: string, value: unknown): number | string {
  if (typeof value === 'number') return secondsFromNow(name, value)
  if (types.isDate(value) || typeof value === 'string') return pointInTime(name, value)
  throw invalid(name, 'a number of seconds, a Date or an ISO 8601 string with a zone', value)
}

export function timestamp(name: string, value: unknown): number {
  const seconds = types.isDate(value) ? Math.floor(value.getTime() / 1_000) : value
  if (typeof seconds !== 'number' || !Number.isSafeInteger(seconds) || seconds < 0) {
    throw invalid(name, 'a Date or whole seconds since 1970', value)
  }
  return seconds
}

export function deliveryMode(name: string, value: unknown): 1 | 2 {
  if (value === 1 || value === 'transient') return 1
  if (value === 2 || value === 'persistent') return 2
  throw invalid(name, "'transient', 'persistent', 1 or 2", value)
}

export function abortSignal(name: string, value: unknown): AbortSignal {
  if (typeof (value as AbortSignal | null)?.addEventListener !== 'function' || !('aborted' in (value as object))) {
    throw invalid(name, 'an AbortSignal', value)
  }
  return value as AbortSignal
}

/** A lease: what `pool.acquire()` gives. */
export interface MessagePublisher {
  publish(message: never, options?: never): Promise<unknown>
  send(...prepared: never): Promise<unknown>
}

export function publisher(name: string, value: unknown): MessagePublisher {
  if (typeof (value as MessagePublisher | null)?.send !== 'function') {
    throw invalid(name, 'a producer that pool.acquire() gave', value)
  }
  return value as MessagePublisher
}

function invalid(name: string, expected: string, value: unknown): PooledProducerError {
  const message = `${name} must be ${expected}, got ${types.isDate(value) ? dateText(value) : describe(value)}`
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'an invalid Date' : date.toISOString()
}
