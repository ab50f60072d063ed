import { type ErrorCode, type Outcome, PooledProducerError } from '../errors.ts'
import { BUSY_RETRY_MS } from './connection-set.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { Counters } from './stats.ts'

export interface AdmissionSettings {
  readonly maxWaiting: number
  readonly maxBufferedBytes: number
  readonly maxMessageBytes: number
}

/** Why a publish cannot be accepted within the pool's bounds; undefined: it can. */
export function admission(
  publish: PendingPublish,
  counters: Counters,
  settings: AdmissionSettings,
  signal: AbortSignal | undefined,
): PooledProducerError | undefined {
  const { maxWaiting, maxBufferedBytes, maxMessageBytes } = settings
  if (signal?.aborted) return abortedPublish(signal, 'not-sent')
  // One waits for the end of its turn at least.
  if (counters.waiting > 0 && counters.waiting >= maxWaiting) {
    return notSent('ERR_POOL_EXHAUSTED', `${counters.waiting} publishes wait already, and maxWaiting is ${maxWaiting}`)
  }
  if (publish.bytes > maxBufferedBytes) {
    const text = `the message takes ${publish.bytes} bytes, and maxBufferedBytes is ${maxBufferedBytes}`
    return notSent('ERR_MESSAGE_TOO_LARGE', text)
  }
  if (counters.bufferedBytes > maxBufferedBytes) {
    const others = counters.bufferedBytes - publish.bytes
    const text = `${others} bytes are held already; with this message's ${publish.bytes} they pass maxBufferedBytes (${maxBufferedBytes})`
    return notSent('ERR_POOL_EXHAUSTED', text)
  }
  // Whatever has fewer bytes than the body's limit in all has no larger body.
  if (maxMessageBytes > 0 && publish.bytes > maxMessageBytes) {
    const bytes = Buffer.byteLength(publish.body)
    if (bytes > maxMessageBytes) {
      return notSent('ERR_MESSAGE_TOO_LARGE', `the body has ${bytes} bytes, and maxMessageBytes is ${maxMessageBytes}`)
    }
  }
  return undefined
}

export function abortedPublish(signal: AbortSignal, outcome: Outcome): PooledProducerError {
  return new PooledProducerError('ERR_ABORTED', 'the publish was aborted by its signal', {
    outcome,
    cause: signal.reason,
  })
}

function notSent(code: ErrorCode, message: string): PooledProducerError {
  const retryAfterMs = code === 'ERR_POOL_EXHAUSTED' ? BUSY_RETRY_MS : undefined
  return new PooledProducerError(code, message, { outcome: 'not-sent', retryAfterMs })
}
