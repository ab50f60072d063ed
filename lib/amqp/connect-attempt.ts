import { type ChannelModel, connect } from 'amqplib'
import type { EffectivePoolOptions } from '../options.ts'
import type { BrokerAddress } from './broker-url.ts'
import { guardHandshakes } from './handshake-guard.ts'
import { withTimeLimit } from './time-limit.ts'

export type ConnectSettings = Pick<EffectivePoolOptions, 'connectTimeoutMs' | 'heartbeatSeconds' | 'tls' | 'name'>

/** One attempt to connect to one node, which can be given up. */
export class ConnectAttempt {
  readonly address: BrokerAddress
  readonly #settings: ConnectSettings
  readonly #startedAt = performance.now()
  /** amqplib leaves the socket of an attempt open when nobody waits for it any more. */
  readonly #giveUp = new AbortController()

  constructor(address: BrokerAddress, settings: ConnectSettings) {
    this.address = address
    this.#settings = settings
  }

  /** How long it has taken so far, in milliseconds. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAt
  }

  /**
   * Gives the open connection, or rejects with whatever amqplib, Node or the time limit says.
   *
   * @param id what the connection is called, with the pool's name, on the broker's management pages.
   * @param listen told of the connection before anything else can happen to it.
   */
  async connect(id: number, listen: (model: ChannelModel) => ChannelModel): Promise<ChannelModel> {
    const { connectTimeoutMs, heartbeatSeconds, tls, name } = this.#settings
    const { protocol, hostname, port, vhost, username, password, tuning } = this.address
    guardHandshakes()
    // `signal` is Node's own option of a socket, which amqplib hands on and its types do not know.
    const cancellable: object = { signal: this.#giveUp.signal }
    const pending = connect(
      // amqplib decodes the vhost once more.
      {
        protocol,
        hostname,
        port,
        username,
        password,
        vhost: encodeURIComponent(vhost),
        heartbeat: heartbeatSeconds,
        ...tuning,
      },
      {
        ...tls,
        // With Nagle's algorithm each publish that is followed by a round trip costs 40 ms.
        ...cancellable,
        noDelay: true,
        keepAlive: true,
        timeout: connectTimeoutMs,
        clientProperties: { connection_name: `pooled-producer ${name} ${process.pid}/${id}` },
      },
    )
    return await withTimeLimit(
      pending.then(listen),
      connectTimeoutMs,
      () => {
        this.giveUp()
        return new Error(`no connection in ${connectTimeoutMs} ms`)
      },
      (model) => void model.close().catch(ignore),
    )
  }

  /** Ends it: its socket is closed, and it rejects. */
  giveUp(): void {
    this.#giveUp.abort()
  }
}

function ignore(): void {}
