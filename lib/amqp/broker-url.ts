import { PooledProducerError } from '../errors.ts'
import type { Login, Renewable } from '../login.ts'

/** One node of a broker: where it is, and who we are there. */
export interface BrokerAddress {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  readonly port: number
  /** The Unix domain socket or the named pipe of Windows that stands in place of host and port. */
  readonly path?: string
  readonly vhost: string
  /** Empty when it is known at each attempt only, or not needed. */
  readonly username: string
  /** Not enumerable, so that neither JSON nor an inspector shows it. */
  readonly password: string
  /** What the URL's query asks for: frameMax, channelMax, heartbeat (seconds). */
  readonly tuning: Readonly<Partial<Record<Tuning, number>>>
  /** The address as logs and errors show it: no password, no query. */
  readonly display: string
}

type Tuning = 'frameMax' | 'channelMax' | 'heartbeat'

const TUNING: Record<Tuning, { min: number; max: number }> = {
  // AMQP 0-9-1, section 4.2.3: no peer may ask for frames of less than 4,096 octets.
  frameMax: { min: 4_096, max: 2 ** 31 - 1 },
  channelMax: { min: 1, max: 65_535 },
  heartbeat: { min: 0, max: 65_535 },
}

const UNKNOWN = { username: '', password: '' }
const NOT_A_URL = 'is not a URL such as amqp://user:password@host/vhost'
const NOT_A_SOCKET = 'must name the path of a socket, as in amqp+unix:///run/rabbitmq.sock?vhost=prod'
const PROTOCOLS = { 'amqp:': 'amqp', 'pyamqp:': 'amqp', 'amqps:': 'amqps', 'amqp+unix:': 'amqp' } as const
const DEFAULT_PORT = { amqp: 5_672, amqps: 5_671 }

/**
 * The parts of a broker's URL, `amqp[s]://user:password@host:port/vhost?frameMax=..&channelMax=..&heartbeat=..`
 * (RabbitMQ URI Specification; Celery's `pyamqp:` is taken too, and its `//` for the vhost `/`), or
 * `amqp+unix://user:password@localhost/path/of/the.socket?vhost=..` for a broker, or a proxy before it, on this host;
 * `amqp+unix:////./pipe/name` is a named pipe of Windows.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION says what is wrong, never the URL: it holds a password.
 */
export function parseBrokerUrl(url: string, login?: Renewable<Login>): BrokerAddress {
  let parts: URL
  try {
    parts = new URL(url)
  } catch {
    // The cause is left out on purpose: Node's error carries the whole URL.
    throw invalid(NOT_A_URL)
  }
  const protocol = PROTOCOLS[parts.protocol as keyof typeof PROTOCOLS]
  if (protocol === undefined) throw invalid(`must begin with amqp:, amqps: or amqp+unix:, not ${parts.protocol}`)

  if (!url.includes('//')) throw invalid(NOT_A_URL)
  // Left unencoded, a password's #, ? or / ends the host, and the rest of it would be shown as a vhost.
  if ((parts.pathname + parts.search + parts.hash).includes('@')) {
    throw invalid("has an @ behind its host: a password's special characters must be percent-encoded")
  }

  const { shown, ...place } = parts.protocol === 'amqp+unix:' ? socketPlace(parts) : hostPlace(parts, protocol)
  const { username, password } = login === undefined ? userOf(parts) : 'username' in login ? login : UNKNOWN
  const shownUser = login === undefined || username !== '' ? `${encodeURIComponent(username)}@` : ''
  const display = `${parts.protocol === 'amqp+unix:' ? 'amqp+unix' : protocol}://${shownUser}${shown}`

  const address = { protocol, ...place, username, tuning: tuning(parts.searchParams), display }
  return Object.freeze(
    Object.defineProperty(address as BrokerAddress, 'password', { value: password, enumerable: false }),
  )
}

type Place = Pick<BrokerAddress, 'hostname' | 'port' | 'path' | 'vhost'> & { readonly shown: string }

function hostPlace(parts: URL, protocol: 'amqp' | 'amqps'): Place {
  const hostname = parts.hostname.replace(/^\[|\]$/g, '') || 'localhost'
  const port = parts.port === '' ? DEFAULT_PORT[protocol] : Number(parts.port)
  if (port === 0) throw invalid('has the port 0')
  const vhost = decoded(parts.pathname.slice(1), 'vhost') || '/'
  const shownHost = hostname.includes(':') ? `[${hostname}]` : hostname
  return { hostname, port, vhost, shown: `${shownHost}:${port}/${encodeURIComponent(vhost)}` }
}

/** A URL cannot have a user and no host, so `localhost` may stand there. */
function socketPlace(parts: URL): Place {
  if (!['', 'localhost'].includes(parts.hostname))
    throw invalid(`has a socket on ${parts.hostname}; it can only be on this host`)
  // A URL's path loses the dot of `//./pipe/name`.
  const path = decoded(parts.pathname, 'path').replace(/^\/\/pipe\//, '//./pipe/')
  if (path === '' || path === '/') throw invalid(NOT_A_SOCKET)
  const vhost = parts.searchParams.get('vhost') || '/'
  return { hostname: 'localhost', port: 0, path, vhost, shown: `${path}?vhost=${encodeURIComponent(vhost)}` }
}

function tuning(query: URLSearchParams): BrokerAddress['tuning'] {
  const values: Partial<Record<Tuning, number>> = {}
  for (const [name, { min, max }] of Object.entries(TUNING) as [Tuning, { min: number; max: number }][]) {
    const text = query.get(name)
    if (text === null) continue
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw invalid(`has ${name}=${text}; it must be from ${min} to ${max}`)
    values[name] = value
  }
  return Object.freeze(values)
}

function userOf({ username, password }: URL): { username: string; password: string } {
  if (username === '' && password === '') return { username: 'guest', password: 'guest' }
  return { username: decoded(username, 'user name'), password: decoded(password, 'password') }
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(`has a % in its ${part} that is not followed by two hexadecimal digits`)
  }
}

function invalid(what: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', `the broker's URL ${what}`)
}
