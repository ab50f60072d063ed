import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, jest, test } from '@jest/globals'
import type { ChannelModel } from 'amqplib'
import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import { ConnectAttempt, type ConnectSettings, paceMs } from '../../lib/amqp/connect-attempt.ts'
import type { Login } from '../../lib/login.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { newAuthority } from '../support/certificates.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { startTlsFront } from '../support/tls-front.ts'
import { CONNECTION_SETTINGS, closeConnections, newConnection, openConnection } from './recorded-owners.ts'
import { closing, START, startScriptedServer } from './scripted-server.ts'
import { selfSigned, tlsTest } from './self-signed.ts'

const broker = useBroker()

afterEach(closeConnections)

/** The broker's URL without its user name and password. */
function anonymous(): string {
  return Object.assign(new URL(broker.url), { username: '', password: '' }).href
}

function trueLogin(): Login {
  const { username, password } = new URL(broker.url)
  return { username: decodeURIComponent(username || 'guest'), password: decodeURIComponent(password || 'guest') }
}

test('a function for credentials is asked at each attempt, and what it gives reaches the broker', async () => {
  await using server = await startScriptedServer()
  let asked = 0
  const credentials = async () => ({ username: 'me', password: `secret ${++asked}` })
  const { connection, told } = await openConnection(server.url, { credentials })
  const first = server.received('ConnectionStartOk')?.fields.response as Buffer
  connection.abort(new Error('a reset'))
  await told.next('opened', 2)

  const second = server.received('ConnectionStartOk')?.fields.response as Buffer
  expect([`${first}`, `${second}`]).toEqual(['\0me\0secret 1', '\0me\0secret 2'])
  expect(connection.broker).toMatch(/^amqp:\/\/127\.0\.0\.1:\d+\/%2F$/)
})

rabbitmqTest(
  'a password that is refused is tried again when a function gives it, for the next may be right',
  async () => {
    const given = [{ username: 'nobody', password: 'wrong' }, trueLogin()]
    const credentials = () => given.shift() as Login
    const { connection, told } = newConnection(anonymous(), { credentials })
    connection.open()
    await told.next('opened')

    expect(told.of('retrying')).toMatchObject([{ error: { code: 'ERR_BROKER_REFUSED', retryable: true } }])
    expect(told.of('refused')).toEqual([])
  },
)

test.each([
  ['rejects', () => Promise.reject(new Error('vault is sealed')), /credentials failed: vault is sealed$/],
  [
    'throws',
    () => {
      throw new Error('vault is sealed')
    },
    /credentials failed: vault is sealed$/,
  ],
  ['gives nothing', async () => undefined, /credentials failed: credentials must be an object with a username/],
  ['never answers', () => new Promise(() => {}), /no connection in 1000 ms: the function given as credentials has not/],
])('a function for credentials that %s is a failed attempt, and is asked again', async (_, failing, said) => {
  await using server = await startScriptedServer()
  const functions: (() => unknown)[] = [failing, () => ({ username: 'me', password: 'right' })]
  const credentials = (() => functions.shift()?.()) as () => Login
  const { connection, told } = newConnection(server.url, { credentials, connectTimeoutMs: 1_000 })
  connection.open()
  const { error } = await told.next('retrying')
  await told.next('opened')

  expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', message: expect.stringMatching(said) })
  expect(server.connections).toBe(1)
})

test('a connection that is closed while a function has not answered dials nobody', async () => {
  await using server = await startScriptedServer()
  let answer: (login: Login) => void = () => {}
  const answered = new Promise<Login>((resolve) => {
    answer = resolve
  })
  const { connection } = newConnection(server.url, { credentials: () => answered })
  connection.open()
  await connection.close(1_000)
  answer({ username: 'me', password: 'right' })
  await answered

  expect(connection.state).toBe('closed')
  expect(server.connections).toBe(0)
})

test("with the mechanism EXTERNAL the broker is told no name and no password, but to look at the client's certificate", async () => {
  const mechanisms = Buffer.from('PLAIN EXTERNAL')
  const start = { ...START, fields: { ...START.fields, mechanisms } }
  await using server = await startScriptedServer({ ProtocolHeader: [start] })
  await openConnection(server.url, { credentials: { mechanism: 'EXTERNAL' } })

  const { mechanism, response } = server.received('ConnectionStartOk')?.fields ?? {}
  expect([mechanism, `${response}`]).toEqual(['EXTERNAL', ''])
})

tlsTest(
  'a function for tls is asked at each attempt: an expired certificate is retried, and the renewed one taken',
  async () => {
    const authority = newAuthority()
    const front = await startTlsFront(broker.url, authority.issue({ days: -1 }))
    let asked = 0
    const tls = async () => ({ ca: authority.cert, asked: ++asked })
    const { connection, told } = newConnection(front.url, { tls })
    connection.open()
    const { error } = await told.next('retrying', 2)
    expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', message: expect.stringMatching(/CERT_HAS_EXPIRED/) })
    front.show(authority.issue())
    await told.next('opened')

    expect(asked).toBeGreaterThanOrEqual(3)
  },
)

tlsTest('a function for tls that gives no object is a failed attempt', async () => {
  const { connection, told } = newConnection('amqps://localhost:1', { tls: (() => 'secret') as never })
  connection.open()
  const { error } = await told.next('retrying')

  expect((error as Error).message).toBe(
    'the function given as tls failed: it must give an object, and gave a value of type string',
  )
})

tlsTest('whoever trusts anybody is warned', async () => {
  const front = await startTlsFront(broker.url, newAuthority().issue({ host: 'another.example' }))
  const { told } = await openConnection(front.url, { tls: { rejectUnauthorized: false } })

  expect(told.of('warned')).toMatchObject([{ reason: expect.stringMatching(/^rejectUnauthorized is false: /) }])
  await until(() => front.clients.length === 1)
})

/** One attempt, what it warned of, and what comes of it; its server ends the connection. */
function attemptAt(url: string, settings: Partial<ConnectSettings> = {}) {
  const warnings: string[] = []
  const attempt = new ConnectAttempt(parseBrokerUrl(url), { ...CONNECTION_SETTINGS, ...settings })
  // An error without a listener would end the process.
  const connected = (model: ChannelModel): ChannelModel => model.on('error', () => {})
  return { attempt, warnings, connect: () => attempt.connect(3, { connected, warned: (text) => warnings.push(text) }) }
}

/** The port of a server. */
async function portOf(server: Server): Promise<number> {
  afterTest(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

test('attempts follow each other after 1.5 s, or more slowly where each has longer than seven of these', () => {
  expect([paceMs(1_000), paceMs(10_000), paceMs(21_000)]).toEqual([1_500, 1_500, 3_000])
})

test('an attempt knows how long it has taken', () => {
  const clock = jest.spyOn(performance, 'now').mockReturnValue(1_000)
  const { attempt } = attemptAt('amqp://localhost')
  clock.mockReturnValue(1_025)
  expect(attempt.elapsedMs).toBe(25)
})

test("the broker is told the URL's login, and whose connection it is", async () => {
  await using server = await startScriptedServer()
  await attemptAt(server.url.replace('//', '//me:pass@')).connect()

  const { response, clientProperties } = server.received('ConnectionStartOk')?.fields ?? {}
  expect(`${response}`).toBe('\0me\0pass')
  expect(clientProperties).toMatchObject({ connection_name: `pooled-producer test ${process.pid}/3` })
})

test('its socket sends small writes at once, and notices a dead peer', async () => {
  await using server = await startScriptedServer()
  const [noDelay, keepAlive] = [
    jest.spyOn(Socket.prototype, 'setNoDelay'),
    jest.spyOn(Socket.prototype, 'setKeepAlive'),
  ]
  await attemptAt(server.url).connect()

  expect(noDelay.mock.calls[0]?.[0]).toBe(true)
  expect(keepAlive.mock.calls[0]?.[0]).toBe(true)
})

test('a tracer hears of an attempt for whom and where it is', async () => {
  await using server = await startScriptedServer()
  const heard: unknown[] = []
  const hear = (message: unknown) => void heard.push(message)
  subscribe('tracing:pooled-producer:connect:start', hear)
  afterTest(() => unsubscribe('tracing:pooled-producer:connect:start', hear))
  await attemptAt(server.url).connect()

  expect(heard).toMatchObject([
    { pool: 'test', connection: 3, broker: server.url.replace('//', '//guest@').concat('/%2F') },
  ])
})

test('an attempt without an answer ends in time, with its socket, and blames no function that has answered', async () => {
  const server = createServer()
  const dialled = once(server, 'connection')
  const url = `amqp://127.0.0.1:${await portOf(server)}`
  const credentials = () => ({ username: 'me', password: 'right' })
  const failure = failureOf(attemptAt(url, { connectTimeoutMs: 500, credentials }).connect())
  const [socket] = (await dialled) as [Socket]
  const closed = once(socket.on('error', () => {}).resume(), 'close')

  expect(await failure).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: expect.stringMatching(/cannot be reached: no connection in 500 ms$/),
  })
  await closed
})

test('an attempt that is given up ends at once, though a function has not answered', async () => {
  const credentials = jest.fn(() => new Promise<Login>(() => {}))
  const { attempt, connect } = attemptAt('amqp://localhost:1', { connectTimeoutMs: 60_000, credentials })
  const failure = failureOf(connect())
  await until(() => credentials.mock.calls.length > 0)
  attempt.giveUp()

  expect(await failure).toMatchObject({
    message: expect.stringMatching(/the function given as credentials failed: /),
    cause: { name: 'AbortError' },
  })
})

test('an attempt that is given up as it waits for the broker ends at once, with its socket', async () => {
  const server = createServer()
  const dialled = once(server, 'connection')
  const { attempt, connect } = attemptAt(`amqp://127.0.0.1:${await portOf(server)}`, { connectTimeoutMs: 60_000 })
  const failure = failureOf(connect())
  const [socket] = (await dialled) as [Socket]
  const closed = once(socket.on('error', () => {}).resume(), 'close')
  attempt.giveUp()

  expect(await failure).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  await closed
})

test('an attempt that is given up before it asks a function ends at once, and does not ask', async () => {
  const credentials = jest.fn(() => new Promise<Login>(() => {}))
  const { attempt, connect } = attemptAt('amqp://localhost:1', { connectTimeoutMs: 60_000, credentials })
  const failure = failureOf(connect())
  attempt.giveUp()

  expect(await failure).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  expect(credentials).not.toHaveBeenCalled()
})

test('a login that does not change is refused for good', async () => {
  await using server = await startScriptedServer({
    ConnectionStartOk: [closing('ConnectionClose', 403, 'ACCESS_REFUSED')],
  })
  expect(await failureOf(attemptAt(server.url).connect())).toMatchObject({
    code: 'ERR_BROKER_REFUSED',
    retryable: false,
  })
})

tlsTest('certificates that do not change are refused for good', async () => {
  const server = createTlsServer(selfSigned())
  const url = `amqps://localhost:${await portOf(server)}`
  expect(await failureOf(attemptAt(url).connect())).toMatchObject({ code: 'ERR_BROKER_REFUSED', retryable: false })
})

test.each([
  ['amqps://localhost:1', {}, 0],
  ['amqps://localhost:1', { rejectUnauthorized: false }, 1],
  ['amqp://localhost:1', { rejectUnauthorized: false }, 0],
])('an attempt at %s with %j warns %d times of trusting anybody', async (url, tls, times) => {
  const { connect, warnings } = attemptAt(url, { tls })
  await failureOf(connect())
  expect(warnings).toHaveLength(times)
})

test('a socket of the file system is dialled by its path', async () => {
  const { message } = await failureOf(attemptAt('amqp+unix://localhost/no/such.sock').connect())
  expect(message).toMatch(/connect ENOENT \/no\/such\.sock$/)
})
