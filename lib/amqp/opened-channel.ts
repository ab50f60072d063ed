import type { Channel } from 'amqplib'
import { withTimeLimit } from './time-limit.ts'

const LIMIT_MS = 5_000

/** The channel of amqplib's that is being opened, if it is opened in time; one that comes later is closed. */
export function openedChannel<C extends Channel>(opening: Promise<C>): Promise<C> {
  return withTimeLimit(
    opening.then(listenedTo),
    LIMIT_MS,
    () => new Error(`the broker opened no channel in ${LIMIT_MS} ms`),
    (channel) => void channel.close().catch(ignore),
  )
}

/** An error of a channel that nobody listens to yet would end the whole connection. */
function listenedTo<C extends Channel>(channel: C): C {
  channel.on('error', ignore)
  return channel
}

function ignore(): void {}
