import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, test } from '@jest/globals'
import { connect } from 'amqplib'
import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import { connectError } from '../../lib/amqp/connect-error.ts'
import { guardHandshakes } from '../../lib/amqp/handshake-guard.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { freePort } from '../../lib/testing/free-port.ts'
import { uniqueName, useBroker } from '../support/broker.ts'
import { closing, startScriptedServer } from './scripted-server.ts'
import { selfSigned, tlsTest } from './self-signed.ts'

const broker = useBroker()
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function portOf(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

/** What becomes of amqplib's own error for a URL. */
async function failure(url: string, options: object = {}): Promise<PooledProducerError> {
  const { display } = parseBrokerUrl(url)
  guardHandshakes()
  try {
    const model = await connect(url, { noDelay: true, timeout: 20_000, ...options })
    await model.close()
  } catch (cause) {
    const error = connectError(cause, display)
    expect(error.cause).toBe(cause)
    return error
  }
  throw new Error(`${display} took the connection`)
}

const UNAVAILABLE = { code: 'ERR_BROKER_UNAVAILABLE', retryable: true }
const REFUSED = { code: 'ERR_BROKER_REFUSED', retryable: false }

test('a closed port is worth another try', async () => {
  const port = await freePort()

  expect(await failure(`amqp://127.0.0.1:${port}`)).toMatchObject({
    ...UNAVAILABLE,
    message: `amqp://guest@127.0.0.1:${port}/%2F cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
  })
})

test('every address of a host is named when all are closed', async () => {
  const port = await freePort()
  const error = await failure(`amqp://host.example:${port}`, {
    lookup(_host: string, _options: object, found: (error: null, addresses: object[]) => void) {
      found(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ])
    },
  })

  expect(error).toMatchObject(UNAVAILABLE)
  expect(error.message).toMatch(
    new RegExp(`cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}, connect ECONNREFUSED 127.0.0.2:${port}$`),
  )
})

test('an unknown host is worth another try', async () => {
  const error = await failure('amqp://broker.invalid')

  expect(error).toMatchObject(UNAVAILABLE)
  expect(error.message).toMatch(/^amqp:\/\/guest@broker\.invalid:5672\/%2F cannot be reached: getaddrinfo E[A-Z_]+ /)
})

test('a server that stays silent is worth another try', async () => {
  const port = await portOf(createServer())

  expect(await failure(`amqp://127.0.0.1:${port}`, { timeout: 50 })).toMatchObject({
    ...UNAVAILABLE,
    message: expect.stringMatching(/connect ETIMEDOUT/),
  })
})

test('a server that hangs up is worth another try, and may want TLS', async () => {
  const port = await portOf(createServer((socket) => socket.end()))

  expect(await failure(`amqp://127.0.0.1:${port}`)).toMatchObject({
    ...UNAVAILABLE,
    message: expect.stringMatching(/closed abruptly.*is it a port for TLS, or is the broker starting\?$/),
  })
})

test('a server of HTTP is no broker', async () => {
  const port = await portOf(createHttpServer())

  expect(await failure(`amqp://127.0.0.1:${port}`)).toMatchObject({
    ...REFUSED,
    message: `amqp://guest@127.0.0.1:${port}/%2F refused the connection: what answers there is not an AMQP 0-9-1 server`,
  })
})

test('a server of another AMQP is no broker', async () => {
  const port = await portOf(createServer((socket) => socket.end(Buffer.from('AMQP\x00\x01\x00\x00', 'latin1'))))

  expect(await failure(`amqp://127.0.0.1:${port}`)).toMatchObject(REFUSED)
})

test('a wrong password is refused, and is not in the error', async () => {
  const url = new URL(broker.url)
  url.username = 'nobody'
  url.password = 's3cret'
  const error = await failure(url.href)

  expect(error).toMatchObject({ ...REFUSED, message: expect.stringMatching(/the user name or the password is wrong$/) })
  expect(error.message).not.toContain('s3cret')
})

test('a missing vhost is refused', async () => {
  const url = new URL(broker.url)
  url.pathname = uniqueName('no-such-vhost')

  expect(await failure(url.href)).toMatchObject({
    ...REFUSED,
    message: expect.stringMatching(/the vhost does not exist/),
  })
})

test('a limit on connections is a refusal', async () => {
  const text = 'NOT_ALLOWED - access to vhost refused for user: connection limit (1) is reached'
  await using server = await startScriptedServer({ ConnectionOpen: [closing('ConnectionClose', 530, text)] })

  expect(await failure(server.url)).toMatchObject({
    ...REFUSED,
    message: expect.stringMatching(/a limit on connections is reached$/),
  })
})

test('a broker without the way of logging in is a refusal', async () => {
  const start = { versionMajor: 0, versionMinor: 9, serverProperties: {}, locales: Buffer.from('en_US') }
  await using server = await startScriptedServer({
    ProtocolHeader: [{ name: 'ConnectionStart', fields: { ...start, mechanisms: Buffer.from('EXTERNAL') } }],
  })

  expect(await failure(server.url)).toMatchObject({
    ...REFUSED,
    message: expect.stringMatching(/does not offer the way of logging in$/),
  })
})

test('a broker that wants frames below the minimum is no broker', async () => {
  const fields = { channelMax: 10, frameMax: 100, heartbeat: 0 }
  await using server = await startScriptedServer({ ConnectionStartOk: [{ name: 'ConnectionTune', fields }] })

  expect(await failure(server.url)).toMatchObject(REFUSED)
})

test('a broker that is shutting down is worth another try', async () => {
  const close = closing(
    'ConnectionClose',
    320,
    "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
  )
  await using server = await startScriptedServer({ ConnectionStartOk: [close] })

  expect(await failure(server.url)).toMatchObject(UNAVAILABLE)
})

test.each([
  [320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"],
  [541, "INTERNAL_ERROR - access to vhost '530' refused for user '403': vhost '530' is down"],
  [506, 'RESOURCE_ERROR - too busy'],
])('a broker that answers the open with a close of code %i is worth another try, and says why', async (code, text) => {
  await using server = await startScriptedServer({ ConnectionOpen: [closing('ConnectionClose', code, text)] })

  expect(await failure(server.url)).toMatchObject({
    ...UNAVAILABLE,
    message: expect.stringContaining(`cannot be reached: Handshake terminated by server: ${code} (${text})`),
  })
})

test('TLS to a port without it is refused with a hint', async () => {
  const port = await portOf(createServer((socket) => socket.end('AMQP\x00\x00\x09\x01')))

  expect(await failure(`amqps://127.0.0.1:${port}`)).toMatchObject({
    ...REFUSED,
    message: expect.stringMatching(/^TLS with amqps:.* failed: .*ERR_SSL_[A-Z_]+\)(; is it a port without TLS\?)?$/s),
  })
})

tlsTest('a certificate that nobody vouches for is refused by its code', async () => {
  const port = await portOf(createTlsServer(selfSigned()))

  expect(await failure(`amqps://localhost:${port}`)).toMatchObject({
    ...REFUSED,
    message: expect.stringMatching(/self-signed certificate.*\(DEPTH_ZERO_SELF_SIGNED_CERT\)$/),
  })
})

test('a closed port or an unknown host is worth another try, whatever numbers are in its name', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:530'), { code: 'ECONNREFUSED' })
  const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND rabbit-403.example'), { code: 'ENOTFOUND' })

  expect(connectError(refused, 'amqp://h')).toMatchObject(UNAVAILABLE)
  expect(connectError(unknown, 'amqp://h')).toMatchObject(UNAVAILABLE)
})

/** An error with a code, as OpenSSL and Node make them. */
function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

test.each([
  'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'HOSTNAME_MISMATCH',
  'EPROTO',
])('a handshake that fails with %s is refused, and told without line ends', (code) => {
  expect(connectError(coded(code, ' it failed\n'), 'amqps://h')).toMatchObject({
    ...REFUSED,
    message: `TLS with amqps://h failed: it failed (${code})`,
  })
})

test.each(['X_ERR_SSL_', 'EPROTONOSUPPORT', 'ECONNRESET'])('%s is a fault of the network, not of TLS', (code) => {
  expect(connectError(coded(code, 'it failed'), 'amqps://h')).toMatchObject({
    ...UNAVAILABLE,
    message: 'amqps://h cannot be reached: it failed',
  })
})

test('a refusal over TLS may not be the last word when the certificates are read anew', () => {
  const expired = coded('CERT_HAS_EXPIRED', 'it failed')

  expect(connectError(expired, 'amqps://h', { tls: true }).retryable).toBe(true)
  expect(connectError(expired, 'amqps://h', { login: true }).retryable).toBe(false)
})

test('a port without TLS is named as such, and no certificate changes that', () => {
  const plain = coded('ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number')

  expect(connectError(plain, 'amqps://h', { tls: true })).toMatchObject({
    ...REFUSED,
    message:
      'TLS with amqps://h failed: wrong version number (ERR_SSL_WRONG_VERSION_NUMBER); is it a port without TLS?',
  })
})

test.each(['Handshake terminated by server: 403 (x)', 'ACCESS_REFUSED', 'ACCESS-REFUSED'])(
  'a login that is refused with "%s" may not be the last word when it is asked for anew',
  (text) => {
    expect(connectError(new Error(text), 'amqp://h', { login: true }).retryable).toBe(true)
    expect(connectError(new Error(text), 'amqp://h', { tls: true }).retryable).toBe(false)
    expect(connectError(new Error(text), 'amqp://h')).toMatchObject({
      ...REFUSED,
      message: 'amqp://h refused the connection: the user name or the password is wrong',
    })
  },
)

test.each([
  'Handshake terminated by server: 530 (x)',
  'NOT_ALLOWED',
  'NOT-ALLOWED',
  'Expected ConnectionOpenOk; got <ConnectionClose channel:0>',
])('a vhost that is refused with "%s" stays refused, though the login is asked for anew', (text) => {
  expect(connectError(new Error(text), 'amqp://h', { login: true })).toMatchObject({
    ...REFUSED,
    message: expect.stringMatching(/: the vhost does not exist, /),
  })
})

test('an error of this package stays as it is', () => {
  const error = new PooledProducerError('ERR_BROKER_BLOCKED', 'x')
  expect(connectError(error, 'amqp://h')).toBe(error)
})

test('what is no error is still told', () => {
  expect(connectError('down', 'amqp://h')).toMatchObject({
    ...UNAVAILABLE,
    message: 'amqp://h cannot be reached: down',
  })
})
