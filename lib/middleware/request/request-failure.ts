import { ERROR_CODES, type PooledProducerError } from '../../errors.ts'

/** How an HTTP reply tells that a task was not sent: 503 when the same request can work later, else 500. */
export interface RequestFailure {
  readonly statusCode: 500 | 503
  /** `retry-after` in seconds, with a 503 (RFC 9110, section 10.2.3). */
  readonly headers: Readonly<Record<string, string>>
}

/** When nothing better is known of when to come back. */
const RETRY_AFTER_MS = 1_000

/**
 * The reply that fits an error; undefined when it is none of this package's. Told by its code and not by its
 * class: an application may hold two copies of the package.
 */
export function requestFailure(error: unknown): RequestFailure | undefined {
  if (!isPooledProducerError(error)) return undefined
  if (!error.retryable) return { statusCode: 500, headers: {} }
  const { retryAfterMs = RETRY_AFTER_MS } = error as { retryAfterMs?: number }
  return { statusCode: 503, headers: { 'retry-after': `${Math.max(1, Math.ceil(retryAfterMs / 1_000))}` } }
}

function isPooledProducerError(error: unknown): error is PooledProducerError {
  const { code, name } = (error ?? {}) as Partial<PooledProducerError>
  return name === 'PooledProducerError' && ERROR_CODES.includes(code as PooledProducerError['code'])
}
