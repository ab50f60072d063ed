import { createServer, type Server, type Socket } from 'node:net'
import { PooledProducerError } from '../errors.ts'
import { integer, MAX_TIMER_MS } from '../integer.ts'
import { describe } from '../shown-value.ts'
import { addressOf } from './amqp-greeting.ts'
import { freePort } from './free-port.ts'
import { ProxyLink, type Shape } from './proxy-link.ts'

/**
 * What a proxy does. `pass`, `black-hole`, `black-hole-up`, `black-hole-down`, `delay`, `slow` and `slice` concern
 * the bytes of all connections; `reset`, `refuse` and `silent` concern new connections only, and old ones pass.
 *
 * - `pass`: forwards, and makes the sender wait when the receiver does not read
 * - `reset`: a new connection is reset (RST) at once
 * - `refuse`: nothing listens on the port
 * - `silent`: a new connection is accepted, and never answered
 * - `black-hole`, `black-hole-up` (to the broker), `black-hole-down` (from it): bytes and ends of connections vanish.
 *   A connection that has lost something stays lost when the mode changes: what is left of its stream is of no use
 * - `delay`: everything arrives `ms` later
 * - `slow`: `bytesPerSecond` in each direction of each connection
 * - `slice`: pieces of `bytes` (default 1), each written by itself
 */
export type ProxyMode =
  | 'pass'
  | 'reset'
  | 'refuse'
  | 'silent'
  | 'black-hole'
  | 'black-hole-up'
  | 'black-hole-down'
  | 'delay'
  | 'slow'
  | 'slice'

/** The numbers of the modes `delay`, `slow` and `slice`. */
export interface ProxySettings {
  ms?: number
  bytesPerSecond?: number
  bytes?: number
}

/** What `startFaultProxy` takes. */
export interface FaultProxyOptions {
  /** An AMQP URL, `host:port`, or an address; what the proxy connects to. */
  target: string | { readonly host?: string; readonly port: number }
  /** Listen on this Unix socket in place of a TCP port. */
  path?: string
}

/** A TCP proxy on 127.0.0.1 that misbehaves on demand. */
export interface FaultProxy extends AsyncDisposable {
  /** The target's URL through the proxy: same credentials, vhost and parameters. On a Unix socket: its path. */
  readonly url: string
  /** The port listened on; 0 on a Unix socket. */
  readonly port: number
  readonly mode: ProxyMode
  /** Connections accepted so far. */
  readonly connections: number
  /** Connections that a client holds open now. */
  readonly active: number
  /**
   * Changes the mode; resolves when the port follows it.
   *
   * @throws {PooledProducerError} ERR_INVALID_OPTION an unknown mode, or its number is missing.
   */
  set(mode: ProxyMode, settings?: ProxySettings): Promise<void>
  /** Resets all connections, on both sides. */
  reset(): void
  /** Ends all connections, on both sides, as a clean close does. */
  end(): void
  /** Stops listening and resets all connections. A second call does nothing. */
  stop(): Promise<void>
}

interface Shapes {
  readonly up: Shape
  readonly down: Shape
}

const PASS: Shape = { kind: 'pass' }
const SWALLOW: Shape = { kind: 'swallow' }

const SHAPES: Record<ProxyMode, (settings: ProxySettings) => Shapes> = {
  pass: () => both(PASS),
  reset: () => both(PASS),
  refuse: () => both(PASS),
  silent: () => both(PASS),
  'black-hole': () => both(SWALLOW),
  'black-hole-up': () => ({ up: SWALLOW, down: PASS }),
  'black-hole-down': () => ({ up: PASS, down: SWALLOW }),
  delay: ({ ms }) => both({ kind: 'delay', ms: integer('ms', ms, 0, MAX_TIMER_MS) }),
  slow: ({ bytesPerSecond }) => {
    return both({ kind: 'slow', bytesPerSecond: integer('bytesPerSecond', bytesPerSecond, 1, Number.MAX_SAFE_INTEGER) })
  },
  slice: ({ bytes = 1 }) => both({ kind: 'slice', bytes: integer('bytes', bytes, 1, Number.MAX_SAFE_INTEGER) }),
}

/**
 * Starts a proxy in mode `pass`.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION a target that is none.
 */
export async function startFaultProxy({ target, path }: FaultProxyOptions): Promise<FaultProxy> {
  const { host, port: targetPort, url } = resolveTarget(target)
  const place = path ?? (await freePort())
  const proxy = new TcpProxy(host, targetPort, place, url)
  await proxy.listen()
  return proxy
}

class TcpProxy implements FaultProxy {
  readonly url: string
  readonly port: number
  readonly #host: string
  readonly #targetPort: number
  readonly #place: string | number
  readonly #links = new Set<ProxyLink>()
  readonly #server: Server
  #mode: ProxyMode = 'pass'
  #shapes: Shapes = both(PASS)
  #connections = 0

  constructor(host: string, targetPort: number, place: string | number, url: URL) {
    this.#host = host
    this.#targetPort = targetPort
    this.#place = place
    this.port = typeof place === 'number' ? place : 0
    url.hostname = '127.0.0.1'
    url.port = `${this.port}`
    this.url = typeof place === 'number' ? url.href : place
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  get mode(): ProxyMode {
    return this.#mode
  }

  get connections(): number {
    return this.#connections
  }

  get active(): number {
    let count = 0
    for (const link of this.#links) if (link.isHeldByClient) count++
    return count
  }

  async set(mode: ProxyMode, settings: ProxySettings = {}): Promise<void> {
    if (!Object.hasOwn(SHAPES, mode)) {
      const known = Object.keys(SHAPES).join(', ')
      throw new PooledProducerError(
        'ERR_INVALID_OPTION',
        `${describe(mode)} is not a mode of a proxy; known are ${known}`,
      )
    }
    this.#shapes = SHAPES[mode](settings)
    this.#mode = mode
    for (const link of this.#links) link.wake()
    // The port is closed at once; what `close` could be asked to wait for is the end of the last connection.
    if (mode === 'refuse') this.#server.close()
    else await this.listen()
  }

  reset(): void {
    for (const link of this.#links) link.reset()
  }

  end(): void {
    for (const link of this.#links) link.end()
  }

  stop(): Promise<void> {
    this.reset()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  listen(): Promise<void> {
    if (this.#server.listening) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      const listening = (): void => {
        this.#server.off('error', reject)
        resolve()
      }
      if (typeof this.#place === 'string') this.#server.listen(this.#place, listening)
      else this.#server.listen(this.#place, '127.0.0.1', listening)
    })
  }

  #accept(socket: Socket): void {
    this.#connections++
    if (this.#mode === 'reset') {
      socket.on('error', () => {})
      socket.resetAndDestroy()
      return
    }
    // Where no byte would reach the target, no connection does either.
    const isSilent = this.#mode === 'silent' || this.#shapes.up.kind === 'swallow'
    const target = isSilent ? undefined : { host: this.#host, port: this.#targetPort }
    const link = new ProxyLink(socket, target, (direction) => this.#shapes[direction])
    this.#links.add(link)
    link.onClosed(() => this.#links.delete(link))
  }
}

function both(shape: Shape): Shapes {
  return { up: shape, down: shape }
}

function resolveTarget(target: FaultProxyOptions['target']): { host: string; port: number; url: URL } {
  if (typeof target !== 'string') {
    const { host = '127.0.0.1', port } = target
    return { host, port, url: new URL(`amqp://${host.includes(':') ? `[${host}]` : host}:${port}`) }
  }
  const text = target.includes('://') ? target : `amqp://${target}`
  // The parser's own error would show the password.
  if (!URL.canParse(text))
    throw new PooledProducerError('ERR_INVALID_OPTION', 'target must be an AMQP URL or host:port')
  return { ...addressOf(text), url: new URL(text) }
}
