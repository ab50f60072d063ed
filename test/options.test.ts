import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from '@jest/globals'
import { PooledProducerError } from '../lib/errors.ts'
import type { Credentials } from '../lib/login.ts'
import { type Logger, type PoolOptions, poolOptions } from '../lib/options.ts'

const { AMQP_URL, CELERY_BROKER_URL } = process.env

afterEach(() => {
  restore('AMQP_URL', AMQP_URL)
  restore('CELERY_BROKER_URL', CELERY_BROKER_URL)
})

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}

const LOGGER: Logger = { debug() {}, info() {}, warn() {}, error() {} }

function errorOf(run: () => unknown): PooledProducerError {
  try {
    run()
  } catch (error) {
    return error as PooledProducerError
  }
  throw new Error('nothing was thrown')
}

test('without options a pool runs with the defaults', () => {
  const options = poolOptions({ broker: 'amqp://h' })

  expect({ ...options, broker: options.broker }).toEqual({
    broker: ['amqp://h'],
    name: 'default',
    connections: 1,
    minChannels: 1,
    maxChannels: 8,
    acquireTimeoutMs: 5_000,
    maxWaiting: 100_000,
    maxInFlight: 1_024,
    confirmTimeoutMs: 5_000,
    publishTimeoutMs: 10_000,
    failFastAfterMs: 10_000,
    maxBufferedBytes: 67_108_864,
    maxMessageBytes: 0,
    idleTimeoutMs: 60_000,
    maxChannelAgeMs: 0,
    leaseWarnMs: 30_000,
    summaryIntervalMs: 60_000,
    connectTimeoutMs: 10_000,
    heartbeatSeconds: 5,
    fastPath: true,
  })
})

test('undefined stands for the default, and 0 is a value', () => {
  const options = poolOptions({
    minChannels: 0,
    heartbeatSeconds: 0,
    summaryIntervalMs: 0,
    maxChannels: undefined,
  } as never)

  expect(options).toMatchObject({ minChannels: 0, heartbeatSeconds: 0, summaryIntervalMs: 0, maxChannels: 8 })
})

test('the options given are taken, and are not touched', () => {
  const tls = { rejectUnauthorized: false }
  const given: PoolOptions = Object.freeze({
    broker: Object.freeze(['amqp://a', ' amqp://b ']),
    name: 'tasks',
    maxInFlight: 10,
    fastPath: false,
    tls,
    credentials: Object.freeze({ username: 'u', password: 'p' }),
    logger: LOGGER,
  })
  const options = poolOptions(given)

  expect(options.broker).toEqual(['amqp://a', 'amqp://b'])
  expect(options).toMatchObject({ name: 'tasks', maxInFlight: 10, fastPath: false, logger: LOGGER })
  expect(options.tls).toBe(tls)
  const { username, password } = options.credentials as Credentials
  expect([username, password]).toEqual(['u', 'p'])
})

test('tls and credentials may be functions, which are not called here', () => {
  const never = () => {
    throw new Error('called')
  }

  expect(poolOptions({ broker: 'amqp://h', tls: never, credentials: never })).toMatchObject({ credentials: never })
  const external = poolOptions({ broker: 'amqp://h', credentials: { mechanism: 'EXTERNAL' } }).credentials
  expect(external).toEqual({ mechanism: 'EXTERNAL' })
})

test('the effective options are frozen', () => {
  const options = poolOptions({ broker: 'amqp://h' })

  expect(Object.isFrozen(options)).toBe(true)
  expect(Object.isFrozen(options.broker)).toBe(true)
})

test('neither JSON nor an inspector shows a password of the effective options', () => {
  const options = poolOptions({
    broker: ['amqp://u:s3cret@h', 'amqp://u:s3cret@i'],
    credentials: { username: 'visible', password: 's3cret' },
    tls: { key: 's3cret', passphrase: 's3cret' },
  })
  const shown = [JSON.stringify(options), inspect(options, { depth: 9 }), JSON.stringify({ pool: { ...options } })]

  for (const text of shown) {
    expect(text).toContain('visible')
    expect(text).not.toContain('s3cret')
  }
})

describe('the broker', () => {
  test('comes from AMQP_URL, else from CELERY_BROKER_URL, else it is the one on this machine', () => {
    process.env.AMQP_URL = 'amqp://a'
    process.env.CELERY_BROKER_URL = 'amqp://c'
    expect(poolOptions({ broker: 'amqp://own' }).broker).toEqual(['amqp://own'])
    expect(poolOptions().broker).toEqual(['amqp://a'])
    delete process.env.AMQP_URL
    expect(poolOptions().broker).toEqual(['amqp://c'])
    delete process.env.CELERY_BROKER_URL
    expect(poolOptions().broker).toEqual(['amqp://127.0.0.1'])
  })

  test('does not come from an empty variable', () => {
    process.env.AMQP_URL = ''
    process.env.CELERY_BROKER_URL = 'amqp://c'
    expect(poolOptions().broker).toEqual(['amqp://c'])
    process.env.CELERY_BROKER_URL = ''
    expect(poolOptions().broker).toEqual(['amqp://127.0.0.1'])
  })

  test('may be a list in one string, as Celery writes it', () => {
    expect(poolOptions({ broker: 'amqp://a;amqp://b; amqp://c' }).broker).toEqual(['amqp://a', 'amqp://b', 'amqp://c'])
  })
})

const INTEGERS: [keyof PoolOptions, min: number, max: number][] = [
  ['connections', 1, 1_000],
  ['minChannels', 0, 65_535],
  ['maxChannels', 1, 65_535],
  ['acquireTimeoutMs', 1, 2 ** 31 - 1],
  ['maxWaiting', 0, 10_000_000],
  ['maxInFlight', 1, 1_000_000],
  ['confirmTimeoutMs', 1, 2 ** 31 - 1],
  ['publishTimeoutMs', 1, 2 ** 31 - 1],
  ['failFastAfterMs', 0, 2 ** 31 - 1],
  ['maxBufferedBytes', 1, Number.MAX_SAFE_INTEGER],
  ['maxMessageBytes', 0, Number.MAX_SAFE_INTEGER],
  ['idleTimeoutMs', 1, 2 ** 31 - 1],
  ['maxChannelAgeMs', 0, 2 ** 31 - 1],
  ['leaseWarnMs', 0, 2 ** 31 - 1],
  ['summaryIntervalMs', 0, 2 ** 31 - 1],
  ['connectTimeoutMs', 1, 2 ** 31 - 1],
  ['heartbeatSeconds', 0, 65_535],
]

test.each(INTEGERS)('%s is taken from %d to %d', (name, min, max) => {
  // No fewer channels at most than at least.
  for (const value of [min, max]) {
    expect(poolOptions({ maxChannels: 65_535, minChannels: 0, [name]: value })[name]).toBe(value)
  }
})

const BAD_INTEGERS = INTEGERS.flatMap(([name, min, max]) => {
  const expected = `${name} must be an integer from ${min} to ${max}, got `
  return [
    [name, min - 1, `${expected}${min - 1}`],
    [name, max + 1, `${expected}${max + 1}`],
    [name, 1.5, `${expected}1.5`],
    [name, '5', `${expected}"5"`],
  ] as [string, unknown, string][]
})

const BAD_URL = 'must be a URL such as amqp://user:password@host/vhost, got'

test.each<[string, unknown, string | RegExp]>([
  ...BAD_INTEGERS,
  ['maxChannels', null, /^maxChannels must be an integer from 1 to 65535, got null$/],
  ['maxChannels', Number.NaN, /^maxChannels must be an integer from 1 to 65535, got NaN$/],
  ['maxChannels', Number.POSITIVE_INFINITY, /got Infinity$/],
  ['maxChannels', 8n, /got 8n$/],
  ['maxChannels', true, /got true$/],
  ['maxChannels', 'amqp://user:s3cret@host', /got "amqp:\/\/\.\.\."$/],
  ['maxChannels', [8], /got an array of 1$/],
  ['maxChannels', {}, /got an object$/],
  ['maxChannels', () => 8, /got a function$/],
  ['maxChannels', Symbol('8'), /got a symbol$/],
  ['maxChannels', new Date(), /got an instance of Date$/],
  ['minChannels', 9, /^minChannels \(9\) must not be above maxChannels \(8\)$/],
  ['name', '', /^name must be a string that is not empty, got ""$/],
  ['name', 7, /^name must be a string that is not empty, got 7$/],
  ['name', null, /^name must be a string that is not empty, got null$/],
  ['fastPath', 'yes', /^fastPath must be true or false, got "yes"$/],
  ['fastPath', 0, /^fastPath must be true or false, got 0$/],
  ['tls', 'on', /^tls must be an object or a function that gives one, got "on"$/],
  ['tls', true, /^tls must be an object .*, got true$/],
  ['tls', [], /^tls must be an object .*, got an array of 0$/],
  ['tls', null, /^tls must be an object .*, got null$/],
  [
    'credentials',
    'u:s3cret',
    /^credentials must be an object with a username and a password, both strings, or \{ mech/,
  ],
  ['credentials', { mechanism: 'PLAIN' }, /^credentials must be/],
  ['credentials', { mechanism: 'EXTERNAL', username: 'u' }, /^credentials must be/],
  ['credentials', null, /^credentials must be/],
  ['credentials', {}, /^credentials must be/],
  ['credentials', { username: 'u' }, /^credentials must be/],
  ['credentials', { password: 's3cret' }, /^credentials must be/],
  ['credentials', { username: 'u', password: 5 }, /^credentials must be/],
  ['credentials', ['u', 's3cret'], /^credentials must be/],
  ['logger', true, /^logger must be false or have pino's methods; it has no debug, info, warn, error$/],
  ['logger', null, /^logger must be false/],
  ['logger', 'info', /^logger must be false/],
  ['logger', { info() {}, debug() {} }, /it has no warn, error$/],
  ['logger', { ...LOGGER, error: 'stderr' }, /it has no error$/],
  ['broker', [], /^broker must be a URL or a list of URLs, got an array of 0$/],
  ['broker', 5672, /^broker must be a URL or a list of URLs, got 5672$/],
  ['broker', { url: 'amqp://u:s3cret@h' }, /^broker must be a URL or a list of URLs, got an object$/],
  ['broker', new URL('amqp://u:s3cret@h'), /^broker must be a URL or a list of URLs, got an instance of URL$/],
  ['broker', false, /^broker must be a URL or a list of URLs, got false$/],
  ['broker', '', `broker[0] ${BAD_URL} string`],
  ['broker', ' ', `broker[0] ${BAD_URL} string`],
  ['broker', 'amqp://a;', `broker[1] ${BAD_URL} string`],
  ['broker', ['amqp://u:s3cret@h', ''], `broker[1] ${BAD_URL} string`],
  ['broker', ['amqp://u:s3cret@h', undefined], `broker[1] ${BAD_URL} undefined`],
  ['broker', ['amqp://u:s3cret@h', 5], `broker[1] ${BAD_URL} number`],
  ['broker', [['amqp://u:s3cret@h']], `broker[0] ${BAD_URL} object`],
  ['maxchannels', 8, /^maxchannels is not an option of a pool; did you mean maxChannels\?$/],
  ['max_channels', 8, /^max_channels is not an option of a pool; did you mean maxChannels\?$/],
  ['zeal', 8, /^zeal is not an option of a pool; known are connections, minChannels, .*logger$/],
  ['heartbeat', 8, /^heartbeat is not an option of a pool; did you mean heartbeatSeconds\?$/],
  ['url', 'amqp://u:s3cret@h', /^url is not an option of a pool; /],
  ['__proto__ ', {}, /^__proto__ {2}is not an option of a pool; /],
])('%s: %p is refused', (name, value, message) => {
  const error = errorOf(() => poolOptions({ [name]: value } as PoolOptions))

  expect(error).toBeInstanceOf(PooledProducerError)
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', retryable: false })
  if (typeof message === 'string') expect(error.message).toBe(message)
  else expect(error.message).toMatch(message)
  expect(inspect(error)).not.toContain('s3cret')
})

test.each([
  [null],
  ['amqp://u:s3cret@h'],
  [[]],
  [7],
  [() => {}],
  [new URL('amqp://u:s3cret@h')],
  [new Map([['name', 'shop']])],
])('%p in place of options is refused', (value) => {
  const error = errorOf(() => poolOptions(value as never))

  expect(error.code).toBe('ERR_INVALID_OPTION')
  expect(error.message).toMatch(/^pool options must be a plain object, got /)
})
