import { PooledProducerError } from '../errors.ts'
import type { PendingPublish } from './pending-publish.ts'

/**
 * Whether an earlier copy of a message that is refused may have been stored: its channel was lost, or it was nacked and
 * this is no nack. RabbitMQ nacks what was on its way to a queue that went down, and may have it on disk. A suspect was
 * stored, unless its channel is closed over it again.
 */
export function isInDoubt(publish: PendingPublish, error: PooledProducerError): boolean {
  const { isInDoubt, isSuspect, nacked } = publish
  if (isInDoubt || (isSuspect && error.code !== 'ERR_CHANNEL_CLOSED')) return true
  return nacked !== undefined && error.code !== 'ERR_NACKED'
}

/** The broker's no to a message sent again, of which an earlier copy may have been stored. */
export function doubtful({ code, message, retryable, cause }: PooledProducerError): PooledProducerError {
  const text = `${message}; it was sent before, without a clear answer, and may have been stored then`
  return new PooledProducerError(code, text, { outcome: 'unknown', retryable, cause })
}
