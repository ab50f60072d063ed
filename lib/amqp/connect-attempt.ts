import type { ConnectionOptions } from 'node:tls'
import { type ChannelModel, connect, credentials as mechanisms } from 'amqplib'
import { asError, PooledProducerError } from '../errors.ts'
import { checkLogin, type Renewable, trustsAnybody } from '../login.ts'
import { TRACES, traced } from '../observe/traces.ts'
import type { EffectivePoolOptions } from '../options.ts'
import { isObject } from '../plain-object.ts'
import type { BrokerAddress } from './broker-url.ts'
import { connectError } from './connect-error.ts'
import { guardHandshakes } from './handshake-guard.ts'
import { withTimeLimit } from './time-limit.ts'

export type ConnectSettings = Pick<
  EffectivePoolOptions,
  'connectTimeoutMs' | 'heartbeatSeconds' | 'tls' | 'credentials' | 'name'
>

/** Who is told of an attempt. */
export interface ConnectListener {
  /** There is a connection: told before anything else can happen to it; gives it, or throws. */
  connected(model: ChannelModel): ChannelModel
  warned(reason: string): void
}

/**
 * An attempt without an answer for so long is followed by another while it goes on: packets may be lost without a
 * trace for as long as the way is broken, and the one sent last finds out first that it is mended.
 */
const PACE_MS = 1_500
/** Attempts that may be under way at once; a longer time limit for each makes them follow more slowly. */
const MOST_PENDING = 7

/** After how many milliseconds an attempt is followed by another, by the time limit of each. */
export function paceMs(connectTimeoutMs: number): number {
  return Math.max(PACE_MS, connectTimeoutMs / MOST_PENDING)
}

const TRUSTS_ANYBODY =
  'rejectUnauthorized is false: whoever answers in place of the broker is trusted, and is told the password'

/** One attempt to connect to one node, which can be given up. */
export class ConnectAttempt {
  readonly address: BrokerAddress
  readonly #settings: ConnectSettings
  readonly #startedAt = performance.now()
  /** amqplib leaves the socket of an attempt open when nobody waits for it any more. */
  readonly #giveUp = new AbortController()
  /** The function of the caller's that has not answered yet. */
  #asked: string | undefined

  constructor(address: BrokerAddress, settings: ConnectSettings) {
    this.address = address
    this.#settings = settings
  }

  /** How long it has taken so far, in milliseconds. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAt
  }

  /**
   * Gives the open connection.
   *
   * @param id what the connection is called, with the pool's name, on the broker's management pages.
   * @throws {PooledProducerError} rejects with ERR_BROKER_UNAVAILABLE or ERR_BROKER_REFUSED, over what amqplib, Node or
   *   the time limit says.
   */
  connect(id: number, listener: ConnectListener): Promise<ChannelModel> {
    if (!TRACES.connect.hasSubscribers) return this.#connect(id, listener)
    const context = { pool: this.#settings.name, connection: id, broker: this.address.display }
    return traced(TRACES.connect, context, () => this.#connect(id, listener))
  }

  async #connect(id: number, listener: ConnectListener): Promise<ChannelModel> {
    const { connectTimeoutMs, tls, credentials } = this.#settings
    const tooLate = () => {
      this.giveUp()
      const why = this.#asked === undefined ? '' : `: the function given as ${this.#asked} has not answered`
      return new Error(`no connection in ${connectTimeoutMs} ms${why}`)
    }
    try {
      const dialling = this.#dial(id, listener)
      return await withTimeLimit(dialling, connectTimeoutMs, tooLate, (model) => void model.close().catch(ignore))
    } catch (cause) {
      const renewals = { tls: typeof tls === 'function', login: typeof credentials === 'function' }
      throw connectError(cause, this.address.display, renewals)
    }
  }

  async #dial(id: number, listener: ConnectListener): Promise<ChannelModel> {
    const { connectTimeoutMs, heartbeatSeconds, name } = this.#settings
    const { protocol, hostname, port, path, vhost, username, password, tuning } = this.address
    const tls = await this.#ask('tls', this.#settings.tls, checkTls)
    const login = await this.#ask('credentials', this.#settings.credentials, checkLogin)
    if (protocol === 'amqps' && trustsAnybody(tls)) listener.warned(TRUSTS_ANYBODY)
    guardHandshakes()
    // `signal` is Node's own option of a socket, which amqplib hands on and its types do not know.
    const cancellable: object = { signal: this.#giveUp.signal }
    const model = await connect(
      // amqplib decodes the vhost once more.
      {
        protocol,
        hostname,
        port,
        ...(login !== undefined && 'username' in login
          ? { username: login.username, password: login.password }
          : { username, password }),
        vhost: encodeURIComponent(vhost),
        heartbeat: heartbeatSeconds,
        ...tuning,
      },
      {
        ...tls,
        // With Nagle's algorithm each publish that is followed by a round trip costs 40 ms.
        ...cancellable,
        // Of Node's sockets too: it wins over host and port.
        ...(path === undefined ? {} : { path }),
        ...(login !== undefined && 'mechanism' in login ? { credentials: mechanisms.external() } : {}),
        noDelay: true,
        keepAlive: true,
        timeout: connectTimeoutMs,
        clientProperties: { connection_name: `pooled-producer ${name} ${process.pid}/${id}` },
      },
    )
    return listener.connected(model)
  }

  /** What a caller's option is now. It fails in a way that is worth another try: the next answer may be another. */
  async #ask<T>(
    name: string,
    given: Renewable<T> | undefined,
    check: (value: unknown) => asserts value is T,
  ): Promise<T | undefined> {
    if (typeof given !== 'function') return given
    this.#giveUp.signal.throwIfAborted()
    this.#asked = name
    try {
      const value: unknown = await Promise.race([(given as () => T | PromiseLike<T>)(), this.#givenUp()])
      check(value)
      return value
    } catch (cause) {
      const text = `the function given as ${name} failed: ${asError(cause).message}`
      throw new PooledProducerError('ERR_BROKER_UNAVAILABLE', text, { cause })
    } finally {
      this.#asked = undefined
    }
  }

  /** Rejects when nobody waits any more. */
  #givenUp(): Promise<never> {
    const { signal } = this.#giveUp
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }

  /** Ends it: its socket is closed, and it rejects. */
  giveUp(): void {
    this.#giveUp.abort()
  }
}

function checkTls(tls: unknown): asserts tls is ConnectionOptions {
  if (!isObject(tls)) throw new Error(`it must give an object, and gave a value of type ${typeof tls}`)
}

function ignore(): void {}
