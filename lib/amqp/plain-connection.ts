import { type ChannelModel, connect } from 'amqplib'
import { destroySocket } from './amqplib-internals.ts'
import { parseBrokerUrl } from './broker-url.ts'
import { connectError } from './connect-error.ts'
import { guardHandshakes } from './handshake-guard.ts'
import { withTimeLimit } from './time-limit.ts'

/** amqplib's own connection. */
export type PlainConnection = ChannelModel

const CONNECT_LIMIT_MS = 10_000
const CLOSE_LIMIT_MS = 2_000

/**
 * A connection of amqplib's as an application makes one by hand, for what is compared with the pool and for
 * consuming. It is not opened again when it is lost; what was open on it is then rejected.
 *
 * @param options `noDelay` is amqplib's own; without it Nagle's algorithm holds small writes back.
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE, ERR_BROKER_REFUSED; ERR_INVALID_OPTION for the URL.
 */
export async function connectPlainly(url: string, options: { noDelay?: boolean } = {}): Promise<PlainConnection> {
  const { protocol, hostname, port, path, vhost, username, password, tuning, display } = parseBrokerUrl(url)
  guardHandshakes()
  try {
    const connection = await connect(
      // amqplib decodes the vhost once more.
      { protocol, hostname, port, username, password, vhost: encodeURIComponent(vhost), ...tuning },
      { ...options, ...(path !== undefined && { path }), timeout: CONNECT_LIMIT_MS },
    )
    // An error without a listener ends the process; the calls that it concerns are rejected with it.
    connection.on('error', ignore)
    return connection
  } catch (cause) {
    throw connectError(cause, display)
  }
}

/** Closes it, or cuts it off where the broker answers nothing; never rejects. */
export async function endPlainly(connection: PlainConnection): Promise<void> {
  const tooLate = () => new Error(`the connection was not closed in ${CLOSE_LIMIT_MS} ms`)
  try {
    await withTimeLimit(connection.close(), CLOSE_LIMIT_MS, tooLate)
  } catch (error) {
    destroySocket(connection, error as Error)
  }
}

function ignore(): void {}
