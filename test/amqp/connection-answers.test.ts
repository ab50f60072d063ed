import type { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { ConnectSettings } from '../../lib/amqp/connect-attempt.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { pass, stopTime } from '../support/stopped-time.ts'
import { amqplibModule } from './amqplib-bytes.ts'
import { closeConnections, newConnection, openConnection } from './recorded-owners.ts'
import { CHANNEL_1, closing, OPEN_OK, type SentMethod, startScriptedServer } from './scripted-server.ts'

const { ChannelModel } = amqplibModule('channel_model') as { ChannelModel: { prototype: object } }

const REFUSAL = closing('ConnectionClose', 530, 'NOT_ALLOWED - vhost not found')
const BLOCKED: SentMethod = { name: 'ConnectionBlocked', fields: { reason: 'low on memory' } }
const UNBLOCKED: SentMethod = { name: 'ConnectionUnblocked' }
/** An answer on a channel that nobody opened, at which amqplib closes the connection. */
const STRAY: SentMethod = { name: 'BasicAck', channel: 77, fields: { deliveryTag: 1, multiple: false } }

beforeEach(() => {
  stopTime()
  // Each pause is the shortest that it can be: 50 ms, 100, 200 and so on.
  jest.spyOn(Math, 'random').mockReturnValue(0)
})

afterEach(closeConnections)

/** Lets what is on its way between the two ends of a socket arrive. */
async function roundTrip(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A connection to nobody whose attempts fail, or wait for their login without an end. */
function loginThat(ask: (attempt: number) => 'fails' | 'waits'): Partial<ConnectSettings> & { asked: () => number } {
  let asked = 0
  const credentials = () => {
    const answer = ask(++asked)
    return answer === 'fails' ? Promise.reject(new Error('the vault is sealed')) : new Promise<never>(() => {})
  }
  return { credentials, asked: () => asked }
}

test('it goes from idle to open, and tells its owner what that took', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = newConnection(`${server.url}/?frameMax=8192&channelMax=3`)
  expect(connection).toMatchObject({ id: 1, state: 'idle', isOpen: false, isBlocked: false, generation: 0 })
  expect([connection.frameMax, connection.channelMax, connection.nextAttemptMs]).toEqual([undefined, undefined, 0])
  connection.open()
  expect(connection).toMatchObject({ state: 'connecting', isOpen: false })
  await told.next('opened')

  expect(told.events).toEqual([{ name: 'opened', attempts: 1, openMs: expect.any(Number) }])
  expect(connection).toMatchObject({ state: 'open', isOpen: true, isBlocked: false, generation: 1, readingSince: 0 })
  expect([connection.frameMax, connection.channelMax, connection.nextAttemptMs]).toEqual([8_192, 3, 0])
  expect(connection.broker).toBe(`${server.url.replace('//', '//guest@')}/%2F`)
})

test('it is begun once', async () => {
  const { asked, ...settings } = loginThat(() => 'waits')
  const { connection } = newConnection('amqp://a', settings)
  connection.open()
  connection.open()
  await roundTrip()

  expect(asked()).toBe(1)
})

test('a failed attempt is told, with the time until the next', async () => {
  const { asked, ...settings } = loginThat((attempt) => (attempt === 1 ? 'fails' : 'waits'))
  const { connection, told } = newConnection('amqp://a', settings)
  connection.open()
  const { error } = await told.next('retrying')

  expect(told.events).toMatchObject([{ attempt: 1, delayMs: 50, error: { code: 'ERR_BROKER_UNAVAILABLE' } }])
  expect(connection).toMatchObject({ state: 'connecting', nextAttemptMs: 50, lastError: error })
  await pass(50)
  expect(asked()).toBe(2)
  expect(connection.nextAttemptMs).toBe(0)
})

test('closed between two attempts it has no next one', async () => {
  const { connection, told } = newConnection(
    'amqp://a',
    loginThat(() => 'fails'),
  )
  connection.open()
  await told.next('retrying')
  await connection.close(1_000)

  expect(connection).toMatchObject({ state: 'closed', nextAttemptMs: 0 })
  await pass(1_000)
  expect(told.events).toHaveLength(1)
})

test('refused it waits half a minute, and is tried again when somebody asks', async () => {
  await using server = await startScriptedServer({ ConnectionOpen: [REFUSAL] })
  const { connection, told } = newConnection(server.url)
  connection.open()
  const { error } = await told.next('refused')
  expect(connection).toMatchObject({ state: 'refused', isOpen: false, nextAttemptMs: 30_000, lastError: error })
  connection.open()
  expect(connection.state).toBe('refused')
  await pass(30_000)
  expect(connection.state).toBe('refused')
  connection.open()
  expect(connection.state).toBe('connecting')
  await told.next('refused', 2)

  expect(told.events).toHaveLength(2)
  expect(server.connections).toBe(2)
})

test('whoever trusts anybody is warned', async () => {
  const { connection, told } = newConnection('amqps://localhost:1', { tls: { rejectUnauthorized: false } })
  connection.open()
  await told.next('retrying')

  expect(told.of('warned')).toEqual([{ name: 'warned', reason: expect.stringMatching(/^rejectUnauthorized is false/) }])
})

test('it gives channels with confirms and without', async () => {
  await using server = await startScriptedServer(CHANNEL_1)
  const { connection } = await openConnection(server.url)
  await (await connection.openPlainChannel()).close()
  expect([server.count('ChannelOpen'), server.count('ConfirmSelect')]).toEqual([1, 0])
  await connection.openChannel()

  expect([server.count('ChannelOpen'), server.count('ConfirmSelect')]).toEqual([2, 1])
})

test('while it is not open nobody gets a channel, and whoever asks is told the last error', async () => {
  const { connection, told } = newConnection(
    'amqp://a',
    loginThat(() => 'fails'),
  )
  connection.open()
  const { error } = await told.next('retrying')

  expect(await failureOf(connection.openChannel())).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: 'no channel on amqp://a:5672/%2F: it is not connected',
    cause: error,
  })
  // There is no socket to end either.
  connection.abort(new Error('lost'))
  expect(connection.state).toBe('connecting')
})

test('whoever waits for a channel as the connection is lost is told why there is none', async () => {
  await using server = await startScriptedServer({ ChannelOpen: ['hang up'] })
  const { connection } = await openConnection(server.url)

  expect(await failureOf(connection.openChannel())).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: `no channel on ${connection.broker}: Channel ended, no reply will be forthcoming`,
    cause: { message: 'Channel ended, no reply will be forthcoming' },
  })
})

test('a connection on which no channel is opened in time is given up for another', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url, { heartbeatSeconds: 0 })
  const failure = failureOf(connection.openChannel())
  await roundTrip()
  await pass(5_000)
  expect((await failure).message).toMatch(/the broker opened no channel in 5000 ms$/)
  await told.next('lost')

  expect(told.of('lost')).toEqual([
    { name: 'lost', reason: 'the broker opened no channel in 5000 ms', lifetimeMs: expect.any(Number) },
  ])
})

test('a blocked broker answers nothing, for which the connection is not given up', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url, { heartbeatSeconds: 0 })
  server.send(BLOCKED)
  await told.next('blocked')
  const failure = failureOf(connection.openChannel())
  await roundTrip()
  await pass(5_000)
  await failure
  await roundTrip()

  expect(told.of('lost')).toEqual([])
  expect(connection.state).toBe('blocked')
})

test('that no channel was opened on a connection that is gone costs the next one nothing', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url, { heartbeatSeconds: 0 })
  // amqplib answers as the connection goes; should it not, only the time limit is left.
  const opening = jest.spyOn(ChannelModel.prototype as { createChannel(): Promise<never> }, 'createChannel')
  opening.mockImplementation(() => new Promise(() => {}))
  const failure = failureOf(connection.openPlainChannel())
  connection.abort(new Error('lost'))
  await told.next('lost')
  await pass(50)
  await told.next('opened', 2)
  await pass(5_000)
  await failure
  await roundTrip()

  expect(connection).toMatchObject({ state: 'open', generation: 2 })
})

test('it is blocked from what the broker says until it says that it reads again, however often it says it', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url)
  await pass(100)
  server.send(UNBLOCKED)
  server.send(BLOCKED, BLOCKED)
  await told.next('blocked')
  expect(connection).toMatchObject({ state: 'blocked', isOpen: true, isBlocked: true, readingSince: 0 })
  await pass(250)
  server.send(UNBLOCKED, UNBLOCKED)
  await told.next('unblocked')
  await roundTrip()

  expect(told.events.slice(1)).toEqual([
    { name: 'blocked', reason: 'low on memory' },
    { name: 'unblocked', blockedMs: 250 },
  ])
  expect(connection).toMatchObject({ state: 'open', isBlocked: false, readingSince: performance.now() })
})

test('an alarm from before it was opened is told behind the opening', async () => {
  await using server = await startScriptedServer({ ConnectionOpen: [OPEN_OK, BLOCKED] })
  const { connection, told } = newConnection(server.url)
  connection.open()
  await told.next('blocked')

  expect(told.events).toMatchObject([
    { name: 'opened' },
    { name: 'blocked', reason: 'an alarm of the broker, from before the connection was opened' },
  ])
})

test.each([
  ['by a close', closing('ConnectionClose', 320, 'CONNECTION_FORCED - shutdown'), /closed the connection as it opened/],
  ['by a fault', STRAY, /unknown channel/],
])('lost %s in the same breath as it is opened, it was never open, and its socket is ended', async (_, end, why) => {
  await using server = await startScriptedServer({
    ConnectionOpen: (times) => (times === 1 ? [OPEN_OK, end] : [OPEN_OK]),
    ConnectionClose: [],
  })
  const { connection, told } = newConnection(server.url)
  connection.open()
  const { error } = await told.next('retrying')

  expect((error as Error).message).toMatch(why)
  expect(connection).toMatchObject({ state: 'connecting', generation: 0 })
  await until(() => server.open === 0)
})

test('what is lost within a second of its opening counts as a failed attempt: the pauses grow', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url, { heartbeatSeconds: 0 })
  const lives: [lifetimeMs: number, pauseMs: number][] = [
    [0, 50],
    [999, 100],
    [20, 200],
    [1_000, 0],
    [999, 50],
  ]
  for (const [index, [lifetimeMs, pauseMs]] of lives.entries()) {
    await pass(lifetimeMs)
    server.send('hang up')
    expect(await told.next('lost', index + 1)).toMatchObject({ reason: 'Unexpected close', lifetimeMs })
    expect(connection).toMatchObject({ state: 'connecting', isOpen: false, frameMax: undefined })
    expect(connection.lastError?.message).toBe('Unexpected close')
    expect(connection.nextAttemptMs).toBe(pauseMs)
    await pass(pauseMs)
    await told.next('opened', index + 2)
    expect(connection).toMatchObject({ state: 'open', generation: index + 2, lastError: undefined })
  }
})

test('a close by the broker is a loss for the reason that it gives', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url)
  server.send(closing('ConnectionClose', 320, 'CONNECTION_FORCED - shutdown'))

  expect(await told.next('lost')).toMatchObject({ reason: expect.stringMatching(/320 .*shutdown/) })
  expect(connection.lastError?.message).toMatch(/320 .*shutdown/)
  await until(() => server.open === 0)
})

test('a blocked connection that is lost is opened again, and is blocked no more', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url)
  server.send(BLOCKED)
  await told.next('blocked')
  server.send('hang up')
  await told.next('lost')
  await pass(50)
  await told.next('opened', 2)

  expect(connection).toMatchObject({ state: 'open', isBlocked: false, generation: 2 })
})

test('a close that amqplib asks for is a loss for the reason that amqplib has', async () => {
  await using server = await startScriptedServer()
  const { told } = await openConnection(server.url)
  server.send(STRAY)

  expect(await told.next('lost')).toMatchObject({ reason: expect.stringMatching(/unknown channel/) })
})

/** What amqplib's own connection under ours tells. */
async function innerOf(connection: Awaited<ReturnType<typeof openConnection>>['connection']): Promise<EventEmitter> {
  const channel = await connection.openPlainChannel()
  return (channel as unknown as { connection: EventEmitter }).connection
}

test('a close without any reason is a loss too', async () => {
  await using server = await startScriptedServer(CHANNEL_1)
  const { connection, told } = await openConnection(server.url)
  const inner = await innerOf(connection)
  inner.emit('close')

  expect(told.of('lost')).toMatchObject([{ reason: 'closed by the broker' }])
})

test('what a lost connection still says is nothing to the next one', async () => {
  await using server = await startScriptedServer(CHANNEL_1)
  const { connection, told } = await openConnection(server.url)
  const inner = await innerOf(connection)
  connection.abort(new Error('lost'))
  await told.next('lost')
  await pass(50)
  await told.next('opened', 2)
  for (const event of ['blocked', 'error', 'close']) inner.emit(event, new Error(`a late ${event}`))
  expect(connection).toMatchObject({ state: 'open', lastError: undefined })
  server.send(BLOCKED)
  await told.next('blocked')
  inner.emit('unblocked')

  expect(connection.state).toBe('blocked')
  expect(told.events).toHaveLength(4)
})

test('close waits for the answer, however often it is called, and ends it for good', async () => {
  await using server = await startScriptedServer()
  const { connection, told } = await openConnection(server.url)
  const closing = connection.close(1_000)
  expect(connection).toMatchObject({ state: 'closing', isOpen: false })
  await connection.close(1_000)
  await closing
  await connection.close(1_000)
  connection.open()

  expect(connection).toMatchObject({ state: 'closed', frameMax: undefined, lastError: undefined })
  expect(told.events).toMatchObject([{ name: 'opened' }, { name: 'lost', reason: 'closed by the pool' }])
  expect(server.count('ConnectionClose')).toBe(1)
  await until(() => server.open === 0)
})

test('a close that is not answered ends in its time, with its socket, and is no error', async () => {
  await using server = await startScriptedServer({ ConnectionClose: [] })
  const { connection, told } = await openConnection(server.url, { heartbeatSeconds: 0 })
  const closing = connection.close(1_000)
  await until(() => server.count('ConnectionClose') === 1)
  await pass(999)
  expect(connection.state).toBe('closing')
  await pass(1)
  await closing
  await until(() => server.open === 0)

  expect(connection).toMatchObject({ state: 'closed', lastError: undefined })
  expect(told.of('lost')).toHaveLength(1)
})

test('a connection that is lost while it closes is closed', async () => {
  await using server = await startScriptedServer({ ConnectionClose: ['hang up'] })
  const { connection, told } = await openConnection(server.url)
  await connection.close(60_000)

  expect(connection.state).toBe('closed')
  expect(told.of('lost')).toHaveLength(1)
})

test('a connection that was never opened, or that is being opened, is closed without a word', async () => {
  const { asked, ...settings } = loginThat(() => 'waits')
  for (const isBegun of [false, true]) {
    const { connection, told } = newConnection('amqp://a', settings)
    if (isBegun) connection.open()
    await roundTrip()
    await connection.close(1_000)
    await pass(10_000)

    expect(connection.state).toBe('closed')
    expect(told.events).toEqual([])
  }
  expect(asked()).toBe(1)
})
