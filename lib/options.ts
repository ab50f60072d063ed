import type { ConnectionOptions } from 'node:tls'
import { closestName } from './closest-name.ts'
import { PooledProducerError } from './errors.ts'
import { integer, MAX_TIMER_MS } from './integer.ts'
import { checkLogin, concealed, type Login, type Renewable } from './login.ts'
import { isObject, isPlainObject } from './plain-object.ts'
import { describe } from './shown-value.ts'

/** A logger with pino's methods: `(fields, message)`. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
  child?(bindings: object): Logger
  isLevelEnabled?(level: string): boolean
}

/** What `createProducerPool` takes. Every duration that ends in `Ms` is in milliseconds. */
export interface PoolOptions {
  /**
   * The broker's URL, or the URLs of one cluster's nodes, tried in turn. Default: `$AMQP_URL`, then
   * `$CELERY_BROKER_URL`, then `amqp://127.0.0.1`.
   */
  broker?: string | readonly string[]
  /** What the pool is called in logs. Default: `default`. */
  name?: string
  /** TCP connections that the channels are spread over. Default: 1. */
  connections?: number
  /** Channels kept open when idle. Default: 1. */
  minChannels?: number
  /** Channels open at most. Default: 8. */
  maxChannels?: number
  /** Bounds an acquire as a whole: connecting, opening, waiting for a free channel. Default: 5,000. */
  acquireTimeoutMs?: number
  /** Acquires and publishes that may wait; one more is refused at once. Default: 100,000. */
  maxWaiting?: number
  /** Unconfirmed messages on a channel at most. Default: 1,024. */
  maxInFlight?: number
  /** A channel whose oldest message has no confirm in this time is destroyed, its messages are sent again. Default: 5,000. */
  confirmTimeoutMs?: number
  /** Bounds a publish as a whole: waiting, writing, confirm, sending again. Default: 10,000. */
  publishTimeoutMs?: number
  /**
   * A broker that is away or blocks for longer has publishes and acquires refused at once; 0: never, they wait
   * their whole time. Default: 10,000.
   */
  failFastAfterMs?: number
  /** Bytes held for waiting and unconfirmed messages at most. Default: 64 MiB. */
  maxBufferedBytes?: number
  /** The largest body that is sent, in bytes; 0: as large as the broker takes. Default: 0. */
  maxMessageBytes?: number
  /** A channel above `minChannels`, idle this long, is closed. Default: 60,000. */
  idleTimeoutMs?: number
  /** A channel older than this is replaced when it is given back; 0: never. Default: 0. */
  maxChannelAgeMs?: number
  /** A lease held longer is logged with the stack that took it; 0: never. Default: 30,000. */
  leaseWarnMs?: number
  /** How often `pool.summary` is logged; 0: only at close. Default: 60,000. */
  summaryIntervalMs?: number
  /** Bounds one attempt to connect, the handshake included. Default: 10,000. */
  connectTimeoutMs?: number
  /** The heartbeat asked for, in seconds; a silent peer is noticed after three; 0: none. Default: 5. */
  heartbeatSeconds?: number
  /**
   * For `amqps:` URLs, as `tls.connect` takes them; or a function that gives them, called at each attempt to connect:
   * a certificate that has expired is then read anew.
   */
  tls?: Renewable<ConnectionOptions>
  /** In place of the user name and password in the URL; or a function that gives them, for secrets that change. */
  credentials?: Renewable<Login>
  /** False: always amqplib's public `publish`, never frames encoded ahead. Default: true. */
  fastPath?: boolean
  /** Any pino-compatible logger; false: none. Default: pino at level info, to stdout. */
  logger?: Logger | false
}

/** {@link PoolOptions} with every default filled in, checked and frozen. */
export interface EffectivePoolOptions
  extends Readonly<Required<Omit<PoolOptions, 'broker' | 'tls' | 'credentials' | 'logger'>>> {
  readonly broker: readonly string[]
  readonly tls?: Renewable<ConnectionOptions>
  readonly credentials?: Renewable<Login>
  readonly logger?: Logger | false
}

interface NumberRule {
  readonly default: number
  readonly min: number
  readonly max: number
}

const NUMBERS = {
  connections: { default: 1, min: 1, max: 1_000 },
  minChannels: { default: 1, min: 0, max: 65_535 },
  maxChannels: { default: 8, min: 1, max: 65_535 },
  acquireTimeoutMs: { default: 5_000, min: 1, max: MAX_TIMER_MS },
  maxWaiting: { default: 100_000, min: 0, max: 10_000_000 },
  maxInFlight: { default: 1_024, min: 1, max: 1_000_000 },
  confirmTimeoutMs: { default: 5_000, min: 1, max: MAX_TIMER_MS },
  publishTimeoutMs: { default: 10_000, min: 1, max: MAX_TIMER_MS },
  failFastAfterMs: { default: 10_000, min: 0, max: MAX_TIMER_MS },
  maxBufferedBytes: { default: 64 * 2 ** 20, min: 1, max: Number.MAX_SAFE_INTEGER },
  maxMessageBytes: { default: 0, min: 0, max: Number.MAX_SAFE_INTEGER },
  idleTimeoutMs: { default: 60_000, min: 1, max: MAX_TIMER_MS },
  maxChannelAgeMs: { default: 0, min: 0, max: MAX_TIMER_MS },
  leaseWarnMs: { default: 30_000, min: 0, max: MAX_TIMER_MS },
  summaryIntervalMs: { default: 60_000, min: 0, max: MAX_TIMER_MS },
  connectTimeoutMs: { default: 10_000, min: 1, max: MAX_TIMER_MS },
  heartbeatSeconds: { default: 5, min: 0, max: 65_535 },
} as const satisfies Record<string, NumberRule>

const OTHERS = ['broker', 'name', 'tls', 'credentials', 'fastPath', 'logger'] as const
const KNOWN = new Set<string>([...Object.keys(NUMBERS), ...OTHERS])

/**
 * The options that a pool runs with: checked, completed and frozen.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function poolOptions(options: PoolOptions = {}): EffectivePoolOptions {
  if (!isPlainObject(options)) throw invalid(`pool options must be a plain object, got ${describe(options)}`)
  for (const key of Object.keys(options)) {
    if (!KNOWN.has(key)) throw unknown(key)
  }

  const numbers = {} as Record<keyof typeof NUMBERS, number>
  for (const [name, rule] of Object.entries(NUMBERS) as [keyof typeof NUMBERS, NumberRule][]) {
    numbers[name] = integer(name, options[name] === undefined ? rule.default : options[name], rule.min, rule.max)
  }
  if (numbers.minChannels > numbers.maxChannels) {
    throw invalid(`minChannels (${numbers.minChannels}) must not be above maxChannels (${numbers.maxChannels})`)
  }

  const { fastPath = true, name = 'default' } = options
  if (typeof name !== 'string' || name === '') {
    throw invalid(`name must be a string that is not empty, got ${describe(name)}`)
  }
  if (typeof fastPath !== 'boolean') throw invalid(`fastPath must be true or false, got ${describe(fastPath)}`)
  const { tls, credentials, logger } = options
  if (tls !== undefined && typeof tls !== 'function' && !isObject(tls)) {
    throw invalid(`tls must be an object or a function that gives one, got ${describe(tls)}`)
  }
  if (credentials !== undefined && typeof credentials !== 'function') checkLogin(credentials)
  checkLogger(logger)

  const effective = {
    ...numbers,
    name,
    fastPath,
    ...(credentials === undefined
      ? {}
      : { credentials: typeof credentials === 'function' ? credentials : concealed(credentials) }),
    ...(logger === undefined ? {} : { logger }),
  }
  // A pool shows its options: the passwords in its URLs and the keys for TLS must not be among what is shown.
  const hidden = { broker: Object.freeze(brokerList(options.broker)), ...(tls === undefined ? {} : { tls }) }
  for (const [key, value] of Object.entries(hidden)) Object.defineProperty(effective, key, { value })
  return Object.freeze(effective as EffectivePoolOptions)
}

function brokerList(broker: unknown): string[] {
  // An empty variable is how a compose file says that there is none.
  const given = broker ?? (process.env.AMQP_URL || process.env.CELERY_BROKER_URL || 'amqp://127.0.0.1')
  // Celery's own form of a list is one string with semicolons.
  const urls = typeof given === 'string' ? given.split(';') : given
  if (!Array.isArray(urls) || urls.length === 0) {
    throw invalid(`broker must be a URL or a list of URLs, got ${describe(given)}`)
  }
  urls.forEach((url, index) => {
    // The value is not shown: a URL holds a password.
    if (typeof url !== 'string' || url.trim() === '') {
      throw invalid(`broker[${index}] must be a URL such as amqp://user:password@host/vhost, got ${typeof url}`)
    }
  })
  return urls.map((url: string) => url.trim())
}

function checkLogger(logger: unknown): asserts logger is Logger | false | undefined {
  if (logger === undefined || logger === false) return
  const missing = ['debug', 'info', 'warn', 'error'].filter(
    (method) => typeof (logger as Record<string, unknown> | null)?.[method] !== 'function',
  )
  if (missing.length > 0) {
    throw invalid(`logger must be false or have pino's methods; it has no ${missing.join(', ')}`)
  }
}

function unknown(key: string): PooledProducerError {
  const near = closestName(key, [...KNOWN])
  const hint = near === undefined ? `known are ${[...KNOWN].join(', ')}` : `did you mean ${near}?`
  return invalid(`${key} is not an option of a pool; ${hint}`)
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
