import { PooledProducerError } from '../errors.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { Settlement } from './settlement.ts'

/** Whether a message may be written once more. */
export function mayResend({ resending, attempts }: PendingPublish): boolean {
  return resending === undefined || attempts <= resending.maxRetries
}

/** Those that may be written once more; the others have their outcome now. */
export function resendable(
  publishes: readonly PendingPublish[],
  error: PooledProducerError,
  settlement: Settlement,
): PendingPublish[] {
  return publishes.filter((publish) => {
    if (mayResend(publish)) return true
    settlement.fail(publish, notResent(publish, error))
    return false
  })
}

/** The pause before a message is written again, in milliseconds. */
export function pauseMsOf({ resending, attempts }: PendingPublish): number {
  if (resending === undefined) return 0
  const { firstPauseMs, stepMs, maxPauseMs } = resending
  return Math.min(firstPauseMs + (attempts - 1) * stepMs, maxPauseMs)
}

function notResent(
  { attempts }: PendingPublish,
  { code, message, outcome, cause }: PooledProducerError,
): PooledProducerError {
  const times = attempts === 1 ? 'once' : `${attempts} times`
  // The same call can work later, but it may be the second of its kind.
  return new PooledProducerError(code, `${message} (written ${times}, and not again by wish)`, {
    outcome,
    cause,
    retryable: true,
  })
}
