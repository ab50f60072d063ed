import { type ChannelModel, connect } from 'amqplib'
import { parseBrokerUrl } from './broker-url.ts'
import { connectError } from './connect-error.ts'
import { guardHandshakes } from './handshake-guard.ts'

/** amqplib's own connection. */
export type PlainConnection = ChannelModel

const CONNECT_LIMIT_MS = 10_000

/**
 * A connection of amqplib's as an application makes one by hand, for what is compared with the pool and for
 * consuming. It is not opened again when it is lost; what was open on it is then rejected.
 *
 * @param options `noDelay` is amqplib's own; without it Nagle's algorithm holds small writes back.
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE, ERR_BROKER_REFUSED; ERR_INVALID_OPTION for the URL.
 */
export async function connectPlainly(url: string, options: { noDelay?: boolean } = {}): Promise<PlainConnection> {
  const { display } = parseBrokerUrl(url)
  guardHandshakes()
  try {
    const connection = await connect(url, { ...options, timeout: CONNECT_LIMIT_MS })
    // An error without a listener ends the process; the calls that it concerns are rejected with it.
    connection.on('error', ignore)
    return connection
  } catch (cause) {
    throw connectError(cause, display)
  }
}

function ignore(): void {}
