import { afterEach, expect, test } from '@jest/globals'
import type { Login } from '../../lib/login.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { newAuthority } from '../support/certificates.ts'
import { until } from '../support/condition.ts'
import { startTlsFront } from '../support/tls-front.ts'
import { closeConnections, newConnection, openConnection } from './recorded-owners.ts'
import { START, startScriptedServer } from './scripted-server.ts'
import { tlsTest } from './self-signed.ts'

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
  ['never answers', () => new Promise(() => {}), /no connection in 100 ms: the function given as credentials has not/],
])('a function for credentials that %s is a failed attempt, and is asked again', async (_, failing, said) => {
  await using server = await startScriptedServer()
  const functions: (() => unknown)[] = [failing, () => ({ username: 'me', password: 'right' })]
  const credentials = (() => functions.shift()?.()) as () => Login
  const { connection, told } = newConnection(server.url, { credentials, connectTimeoutMs: 100 })
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
