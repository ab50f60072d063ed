import { closestName } from '../../closest-name.ts'
import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import type { PublishLimits, Resending } from '../../pool/publish-request.ts'
import { describe } from '../../shown-value.ts'

/** When a message is written again whose outcome a fault has left open. Names and defaults are Celery's. */
export interface RetryPolicy {
  /** Times that it is written again; null: as often as `timeoutMs` allows. Default: 3. */
  readonly maxRetries?: number | null
  /** Seconds before the first time. Default: 0. */
  readonly intervalStart?: number
  /** Seconds by which each pause is longer than the last. Default: 0.2. */
  readonly intervalStep?: number
  /** Seconds that a pause lasts at most. Default: 1. */
  readonly intervalMax?: number
}

const DEFAULTS = { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 } as const
const NAMES = Object.keys(DEFAULTS)
const MAX_RETRIES = 1_000_000
/** An hour: no publish waits longer on purpose. */
const MAX_INTERVAL = 3_600
const NEVER: Resending = Object.freeze({ maxRetries: 0, firstPauseMs: 0, stepMs: 0, maxPauseMs: 0 })

/**
 * A frozen copy of a caller's policy.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the entry, its value and what was expected.
 */
export function retryPolicy(name: string, value: unknown): RetryPolicy {
  if (!isPlainObject(value)) throw invalid(`${name} must be a plain object, got ${describe(value)}`)
  const policy: Record<string, unknown> = {}
  for (const [key, each] of Object.entries(value)) {
    if (!NAMES.includes(key)) throw unknown(name, key)
    if (each === undefined) continue
    policy[key] = key === 'maxRetries' ? times(`${name}.${key}`, each) : seconds(`${name}.${key}`, each)
  }
  return Object.freeze(policy)
}

interface LimitOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly retry?: boolean
  readonly retryPolicy?: RetryPolicy
}

/** What a task's options ask of the pool; undefined: its own limits. */
export function publishLimits({ timeoutMs, signal, retry, retryPolicy }: LimitOptions): PublishLimits | undefined {
  const resending = resendingOf(retry, retryPolicy)
  if (timeoutMs === undefined && signal === undefined && resending === undefined) return undefined
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(signal !== undefined && { signal }),
    ...(resending !== undefined && { resending }),
  }
}

/** Undefined: the pool sends again at once, as long as there is time. */
function resendingOf(retry: boolean | undefined, policy: RetryPolicy | undefined): Resending | undefined {
  if (retry === false) return NEVER
  if (policy === undefined) return undefined
  const { maxRetries, intervalStart, intervalStep, intervalMax } = { ...DEFAULTS, ...policy }
  return {
    maxRetries: maxRetries ?? Number.POSITIVE_INFINITY,
    firstPauseMs: intervalStart * 1_000,
    stepMs: intervalStep * 1_000,
    maxPauseMs: intervalMax * 1_000,
  }
}

function times(name: string, value: unknown): number | null {
  if (value === null || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_RETRIES)) {
    return value as number | null
  }
  throw invalid(`${name} must be an integer from 0 to ${MAX_RETRIES} or null, got ${describe(value)}`)
}

function seconds(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_INTERVAL) return value
  throw invalid(`${name} must be a number of seconds from 0 to ${MAX_INTERVAL}, got ${describe(value)}`)
}

function unknown(name: string, key: string): PooledProducerError {
  const near = closestName(key, NAMES)
  const hint = near === undefined ? `known are ${NAMES.join(', ')}` : `did you mean ${near}?`
  return invalid(`${name}.${key} is not known; ${hint}`)
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
