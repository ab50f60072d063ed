import { inspect } from 'node:util'
import { expect, test } from '@jest/globals'
import { type BrokerAddress, parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import { PooledProducerError } from '../../lib/errors.ts'

/** With its password, which is not enumerable. */
function parsed(url: string): Partial<BrokerAddress> {
  const address = parseBrokerUrl(url)
  return { ...address, password: address.password }
}

test.each<[string, Partial<BrokerAddress>]>([
  ['amqp://h', { protocol: 'amqp', hostname: 'h', port: 5672, vhost: '/', username: 'guest', password: 'guest' }],
  ['amqps://h', { protocol: 'amqps', hostname: 'h', port: 5671 }],
  ['pyamqp://h', { protocol: 'amqp', port: 5672 }],
  ['AMQP://h', { protocol: 'amqp' }],
  ['amqp://', { hostname: 'localhost', vhost: '/' }],
  ['amqp:///v', { hostname: 'localhost', vhost: 'v' }],
  ['amqp://rabbit-1.example.com:5673/v', { hostname: 'rabbit-1.example.com', port: 5673, vhost: 'v' }],
  ['amqp://127.0.0.1', { hostname: '127.0.0.1' }],
  ['amqp://[::1]:5673/v', { hostname: '::1', port: 5673, display: 'amqp://guest@[::1]:5673/v' }],
  ['amqp://u:p@h', { username: 'u', password: 'p', display: 'amqp://u@h:5672/%2F' }],
  ['amqp://u@h', { username: 'u', password: '' }],
  ['amqp://u:@h', { username: 'u', password: '' }],
  ['amqp://:p@h', { username: '', password: 'p', display: 'amqp://@h:5672/%2F' }],
  [
    'amqp://us%20er:p%40s%2Fs%3A%25@h',
    { username: 'us er', password: 'p@s/s:%', display: 'amqp://us%20er@h:5672/%2F' },
  ],
  [
    'amqp://m%C3%BCller:p%C3%A4ss@h',
    { username: 'müller', password: 'päss', display: 'amqp://m%C3%BCller@h:5672/%2F' },
  ],
  ['amqp://müller:päss@h', { username: 'müller', password: 'päss' }],
  ['amqp://h/', { vhost: '/', display: 'amqp://guest@h:5672/%2F' }],
  ['amqp://h//', { vhost: '/' }],
  ['amqp://h/%2F', { vhost: '/' }],
  ['amqp://h/%2f', { vhost: '/' }],
  ['amqp://h//v', { vhost: '/v', display: 'amqp://guest@h:5672/%2Fv' }],
  ['amqp://h/a%2Fb', { vhost: 'a/b' }],
  ['amqp://h/a%20b', { vhost: 'a b', display: 'amqp://guest@h:5672/a%20b' }],
  ['amqp://h/%E4%B8%96%E7%95%8C', { vhost: '世界', display: 'amqp://guest@h:5672/%E4%B8%96%E7%95%8C' }],
  ['amqp://h/世界', { vhost: '世界' }],
  ['amqp://h/v?frameMax=4096&channelMax=1&heartbeat=0', { tuning: { frameMax: 4096, channelMax: 1, heartbeat: 0 } }],
  ['amqp://h?heartbeat=65535', { vhost: '/', tuning: { heartbeat: 65_535 } }],
  ['amqp://h?frameMax=2147483647&channelMax=65535', { tuning: { frameMax: 2 ** 31 - 1, channelMax: 65_535 } }],
  ['amqp://h?locale=de_DE&ssl=true', { tuning: {} }],
  ['amqp+unix:///run/rabbit.sock', { protocol: 'amqp', path: '/run/rabbit.sock', vhost: '/', username: 'guest' }],
  [
    'amqp+unix://u:p@localhost/run/my%20rabbit.sock?vhost=a%2Fb&heartbeat=7',
    {
      path: '/run/my rabbit.sock',
      vhost: 'a/b',
      username: 'u',
      password: 'p',
      tuning: { heartbeat: 7 },
      display: 'amqp+unix://u@/run/my rabbit.sock?vhost=a%2Fb',
    },
  ],
  ['amqp+unix:////./pipe/rabbit', { path: '//./pipe/rabbit', hostname: 'localhost' }],
  ['amqp+unix:///run//pipe/rabbit', { path: '/run//pipe/rabbit' }],
])('%s is understood', (url, expected) => {
  expect(parsed(url)).toMatchObject(expected)
})

const NOT_A_URL = /^the broker's URL is not a URL such as amqp:\/\/user:password@host\/vhost$/

test.each<[string, RegExp]>([
  ['amqp+unix://rabbit-1/run/rabbit.sock', /has a socket on rabbit-1; it can only be on this host$/],
  ['amqp+unix://', /must name the path of a socket/],
  ['amqp+unix:///', /must name the path of a socket/],
  ['', NOT_A_URL],
  ['rabbit', NOT_A_URL],
  ['amqp', NOT_A_URL],
  ['//h/v', NOT_A_URL],
  ['amqp://:5673', NOT_A_URL],
  ['amqp:rabbit', NOT_A_URL],
  ['amqp:/v', NOT_A_URL],
  ['amqp://u:s3cret@', NOT_A_URL],
  ['amqp://u:s3cret@h:port', NOT_A_URL],
  ['amqp://u:s3cret@h:65536', NOT_A_URL],
  ['amqp://u:s3cret@[::1', NOT_A_URL],
  ['amqp://u:s3cret@h h', NOT_A_URL],
  ['http://u:s3cret@h', /must begin with amqp:, amqps: or amqp\+unix:, not http:$/],
  ['redis://:s3cret@h', /must begin with amqp:, amqps: or amqp\+unix:, not redis:$/],
  ['localhost:5672', /must begin with amqp:, amqps: or amqp\+unix:, not localhost:$/],
  ['amqp://u:s3cret@h:0', /has the port 0$/],
  ['amqp://u:s3cret%@h', /has a % in its password that is not followed by two hexadecimal digits$/],
  ['amqp://u:s3cret%ff@h', /has a % in its password/],
  ['amqp://u%zz:s3cret@h', /has a % in its user name/],
  ['amqp://u:s3cret@h/%', /has a % in its vhost/],
  ['amqp+unix://u:s3cret@localhost/run/%zz.sock', /has a % in its path/],
  ['amqp://u:s3cret@h?frameMax=4095', /has frameMax=4095; it must be from 4096 to 2147483647$/],
  ['amqp://u:s3cret@h?frameMax=0', /has frameMax=0;/],
  ['amqp://u:s3cret@h?frameMax=2147483648', /has frameMax=2147483648;/],
  ['amqp://u:s3cret@h?channelMax=0', /has channelMax=0; it must be from 1 to 65535$/],
  ['amqp://u:s3cret@h?channelMax=65536', /has channelMax=65536;/],
  ['amqp://u:s3cret@h?heartbeat=65536', /has heartbeat=65536; it must be from 0 to 65535$/],
  ['amqp://u:s3cret@h?heartbeat=-1', /has heartbeat=-1;/],
  ['amqp://u:s3cret@h?heartbeat=1.5', /has heartbeat=1.5;/],
  ['amqp://u:s3cret@h?heartbeat=', /has heartbeat=;/],
  ['amqp://u:s3cret@h?heartbeat=5s', /has heartbeat=5s;/],
])('%s is refused without its password', (url, message) => {
  let error: unknown
  try {
    parseBrokerUrl(url)
  } catch (thrown) {
    error = thrown
  }

  expect(error).toBeInstanceOf(PooledProducerError)
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message), retryable: false })
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('s3cret')
})

test.each([
  ['a #', 'amqp://u:1234#s3cret@h/v'],
  ['a ?', 'amqp://u:1234?s3cret@h/v'],
  ['a /', 'amqp://u:1234/s3cret@h/v'],
])('a password with %s that is not encoded is refused, not taken for a host and its port', (_, url) => {
  expect(() => parseBrokerUrl(url)).toThrow(/^the broker's URL has an @ behind its host/)
  expect(() => parseBrokerUrl(url)).not.toThrow(/1234|s3cret/)
})

test('credentials take the place of those in the URL', () => {
  const credentials = { username: 'other', password: 'p@ss' }
  for (const url of ['amqp://u:p@h/v', 'amqp://h/v', 'amqp://u%zz:p@h/v']) {
    const address = parseBrokerUrl(url, credentials)
    expect({ ...address, password: address.password }).toMatchObject({ ...credentials, vhost: 'v' })
    expect(address.display).toBe('amqp://other@h:5672/v')
  }
})

test.each([[{ mechanism: 'EXTERNAL' } as const], [() => ({ username: 'later', password: 'p' })]])(
  'who is not known yet, or needs no name, has none',
  (login) => {
    const address = parseBrokerUrl('amqp://user:secret@h/v', login)

    expect([address.username, address.password]).toEqual(['', ''])
    expect(address.display).toBe('amqp://h:5672/v')
  },
)

test('empty credentials are taken as they are', () => {
  const { username, password } = parseBrokerUrl('amqp://u:p@h', { username: '', password: '' })
  expect([username, password]).toEqual(['', ''])
})

test('the password shows in no form of the address but its own property', () => {
  for (const address of [
    parseBrokerUrl('amqp://user:s3cret@h/v?heartbeat=5'),
    parseBrokerUrl('amqp://h/v', { username: 'user', password: 's3cret' }),
  ]) {
    expect(address.password).toBe('s3cret')
    const shown = [JSON.stringify(address), inspect(address), `${address.display}`, JSON.stringify({ ...address })]
    for (const text of shown) expect(text).not.toContain('s3cret')
  }
})

test('an address is frozen', () => {
  const address = parseBrokerUrl('amqp://h')
  expect(Object.isFrozen(address)).toBe(true)
  expect(Object.isFrozen(address.tuning)).toBe(true)
})
