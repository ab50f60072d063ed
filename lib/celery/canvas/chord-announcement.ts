import { asError, PooledProducerError } from '../../errors.ts'
import type { PlannedChord } from './plan.ts'
import type { PlannedResult } from './planned-result.ts'

/**
 * Tells a backend of a chord, before any task of it is sent.
 *
 * @throws {PooledProducerError} rejects with ERR_RESULT_TIMEOUT, or with ERR_POOL_CLOSED; nothing was sent then.
 */
export async function announceChord({ header, size, counter }: PlannedChord): Promise<void> {
  // Of a plain header the worker that starts the body finds all results in the count itself.
  const hasGroups = header.children?.some(({ children }) => children !== undefined)
  try {
    await counter.setChordSize(header.id, size, hasGroups ? tupleOf(header) : undefined)
  } catch (error) {
    const { code = 'ERR_RESULT_TIMEOUT', message, retryable } = asError(error) as Partial<PooledProducerError>
    const text = `a chord was not started, as its backend could not be told: ${message}`
    const details = { outcome: 'not-sent', ...(retryable === undefined ? {} : { retryable }), cause: error } as const
    throw new PooledProducerError(code, text, details)
  }
}

/** A result as Celery stores one. Source: Celery, `celery/result.py`, `as_tuple`. */
function tupleOf({ id, parent, children }: PlannedResult): unknown {
  return [[id, parent === undefined ? null : tupleOf(parent)], children?.map(tupleOf) ?? null]
}
