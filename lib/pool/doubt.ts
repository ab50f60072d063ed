import { PooledProducerError } from '../errors.ts'
import type { PendingPublish } from './pending-publish.ts'

/**
 * Whether an earlier copy of a message that is refused may have been stored: its channel was lost, or it was nacked and
 * this is no nack. RabbitMQ nacks what was on its way to a queue that went down, and may have it on disk.
 */
export function isInDoubt(publish: PendingPublish, error: PooledProducerError): boolean {
  return publish.isInDoubt || (publish.nacked !== undefined && error.code !== 'ERR_NACKED')
}

/** The broker's no to a message sent again, of which an earlier copy may have been stored. */
export function doubtful({ code, message, retryable, cause }: PooledProducerError): PooledProducerError {
  const text = `${message}; it was sent before, without a clear answer, and may have been stored then`
  return new PooledProducerError(code, text, { outcome: 'unknown', retryable, cause })
}
