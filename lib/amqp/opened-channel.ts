import type { Channel } from 'amqplib'
import { withTimeLimit } from './time-limit.ts'

/** No broker that answers takes longer. */
const LONGEST_MS = 5_000

/**
 * The channel of amqplib's that is being opened, if it is opened in time; one that comes later is closed.
 *
 * @param connectTimeoutMs a channel has no longer to open than a connection.
 * @param unanswered told when the time is over.
 */
export function openedChannel<C extends Channel>(
  opening: Promise<C>,
  connectTimeoutMs: number,
  unanswered: (error: Error) => void,
): Promise<C> {
  const limitMs = Math.min(LONGEST_MS, connectTimeoutMs)
  const tooLate = (): Error => {
    const error = new Error(`the broker opened no channel in ${limitMs} ms`)
    unanswered(error)
    return error
  }
  return withTimeLimit(opening.then(listenedTo), limitMs, tooLate, (channel) => void channel.close().catch(ignore))
}

/** An error of a channel that nobody listens to yet would end the whole connection. */
function listenedTo<C extends Channel>(channel: C): C {
  channel.on('error', ignore)
  return channel
}

function ignore(): void {}
