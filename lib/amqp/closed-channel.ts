import type { Channel } from 'amqplib'
import { withTimeLimit } from './time-limit.ts'

/**
 * Closes a channel of amqplib's. Resolves when the broker has answered, or the connection has ended; rejects when neither
 * has happened in time.
 */
export function closedChannel(raw: Channel, limitMs: number): Promise<void> {
  // amqplib leaves a close unanswered when the connection ends under it.
  const closed = new Promise<void>((resolve) => raw.once('close', () => resolve()))
  const tooLate = () => new Error('the broker did not answer the close of a channel')
  return withTimeLimit(Promise.race([raw.close(), closed]), limitMs, tooLate)
}
