import { PooledProducerError } from '../errors.ts'
import { doubtful } from './doubt.ts'
import type { PendingPublish } from './pending-publish.ts'

/** Whether amqplib has given up the channel, or its connection, before it says so. */
export function isChannelGone(error: unknown): error is Error {
  return error instanceof Error && error.name === 'IllegalOperationError'
}

/**
 * What amqplib's encoder, or ours, has against a message: it stays unwritten. A copy may have been written before, over a
 * connection with larger frames, say.
 */
export function unwritten(publish: PendingPublish, error: unknown): PooledProducerError {
  const refusal = error instanceof PooledProducerError ? error : unencodable(error)
  return publish.attempts > 0 ? doubtful(refusal) : refusal
}

function unencodable(error: unknown): PooledProducerError {
  const code = error instanceof RangeError ? 'ERR_MESSAGE_TOO_LARGE' : 'ERR_INVALID_OPTION'
  const reason = error instanceof Error ? error.message : String(error)
  return new PooledProducerError(code, `the message cannot be encoded: ${reason}`, {
    cause: error,
    outcome: 'not-sent',
  })
}
