import { once } from 'node:events'
import { connect } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { addressOf } from '../../lib/testing/amqp-greeting.ts'
import { afterTest } from './cleanup.ts'

/** TLS in front of a broker's plain port. */
export interface TlsFront {
  /** The broker's URL through it, at `localhost`. */
  readonly url: string
  /** TCP connections accepted so far, those that got no further included. */
  readonly connections: number
  /** Clients whose handshake succeeded. */
  readonly clients: readonly TLSSocket[]
  /** Shows other certificates from now on. */
  show(options: TlsOptions): void
  /** Ends all connections, as a fault of the network would. */
  reset(): void
}

/** Starts it, until the test is over. */
export async function startTlsFront(target: string, options: TlsOptions): Promise<TlsFront> {
  const { host, port } = addressOf(target)
  const clients: TLSSocket[] = []
  let connections = 0
  const server: Server = createServer(options, (client) => {
    clients.push(client)
    const broker = connect(port, host)
    broker.on('error', () => client.destroy())
    client.on('error', () => broker.destroy())
    client.on('close', () => broker.destroy())
    client.pipe(broker).pipe(client)
  })
  server.on('connection', () => connections++)
  server.listen(0, 'localhost')
  await once(server, 'listening')
  afterTest(async () => {
    for (const client of clients) client.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = Object.assign(new URL(target), { hostname: 'localhost' })
  url.port = `${(server.address() as { port: number }).port}`
  return {
    url: url.href.replace(/^amqp:/, 'amqps:'),
    clients,
    get connections() {
      return connections
    },
    show: (other) => server.setSecureContext(other),
    reset() {
      for (const client of clients) client.destroy()
    },
  }
}
