import { beforeEach, expect, jest, test } from '@jest/globals'
import type { Connection } from '../../lib/amqp/connection.ts'
import type { ConnectionState } from '../../lib/amqp/connection-state.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { EventHub } from '../../lib/observe/event-hub.ts'
import { EventLog } from '../../lib/observe/log.ts'
import { type PoolOptions, poolOptions } from '../../lib/options.ts'
import { ConnectionSet, type ConnectionsOwner, repeated } from '../../lib/pool/connection-set.ts'
import { POOL_EVENTS, type PoolEvents } from '../../lib/pool/pool-events.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { pass, stopTime } from '../support/stopped-time.ts'

const OPENED = { openMs: 12, attempts: 2 }
const LOST = { reason: 'a reset', lifetimeMs: 34 }
const REFUSAL = new PooledProducerError('ERR_BROKER_REFUSED', 'the password is wrong', { cause: new Error('403') })
const AWAY = new Error('ECONNREFUSED')

beforeEach(stopTime)

/** A set of connections that go nowhere by themselves, what it tells, and to whom: the log, listeners, its owner. */
function newSet(options: PoolOptions = {}) {
  const log = new RecordedLog()
  const hub = new EventHub<PoolEvents>(new EventLog(log, 'test'), 'a pool', POOL_EVENTS)
  const told: unknown[] = []
  for (const event of POOL_EVENTS) hub.on(event, (...details: unknown[]) => void told.push([event, ...details]))
  const owner: ConnectionsOwner = {
    opened: () => void told.push('opened'),
    unblocked: ({ id }) => void told.push(`unblocked ${id}`),
    refused: (error) => void told.push(error),
  }
  const broker = ['amqp://a', 'amqp://me:pass@b']
  const set = new ConnectionSet(
    poolOptions({ broker, connections: 2, ...options }),
    new EventLog(log, 'test'),
    hub,
    owner,
  )
  /** The ids of the connections that were asked to open, in order. */
  const asked: number[] = []
  for (const connection of [...set.all, set.consuming]) {
    connection.open = () => void asked.push(connection.id)
  }
  return { set, log, told, asked }
}

type Standing = Partial<Pick<Connection, 'nextAttemptMs' | 'lastError'>>

/** Has a connection be in a state, without a broker that brings it there. */
function put(connection: Connection | undefined, state: ConnectionState, standing: Standing = {}): Connection {
  const said = { state, isOpen: state === 'open' || state === 'blocked', isBlocked: state === 'blocked', ...standing }
  for (const [name, value] of Object.entries(said))
    Object.defineProperty(connection, name, { value, configurable: true })
  return connection as Connection
}

/** The same for those that publish, in their order. */
function putAll(set: ConnectionSet, ...states: ConnectionState[]): Connection[] {
  return states.map((state, index) => put(set.all[index], state))
}

test('there are as many as the options say, and one more to consume, each of which begins with another node', () => {
  const { set } = newSet()

  expect(set.all.map(({ id, broker }) => [id, broker])).toEqual([
    [1, 'amqp://guest@a:5672/%2F'],
    [2, 'amqp://me@b:5672/%2F'],
  ])
  expect([set.consuming.id, set.consuming.broker]).toEqual([3, 'amqp://guest@a:5672/%2F'])
})

test('connect opens those that publish', () => {
  const { set, asked } = newSet()
  set.connect()

  expect(asked).toEqual([1, 2])
})

test.each<[ConnectionState, ConnectionState, ConnectionSet['state']]>([
  ['connecting', 'open', 'open'],
  ['blocked', 'open', 'open'],
  ['blocked', 'refused', 'blocked'],
  ['connecting', 'blocked', 'blocked'],
  ['connecting', 'refused', 'connecting'],
  ['refused', 'refused', 'refused'],
])('one that is %s and one that is %s let the pool be %s, whatever the one that consumes is', (a, b, together) => {
  const { set } = newSet()
  putAll(set, a, b)
  for (const state of ['idle', 'open', 'blocked', 'refused'] as const) {
    put(set.consuming, state)
    expect(set.state).toBe(together)
  }
})

test('open are those that are blocked too, and the one that consumes', () => {
  const { set } = newSet()
  expect(set.open).toBe(0)
  putAll(set, 'blocked', 'connecting')
  put(set.consuming, 'open')

  expect(set.open).toBe(2)
})

test('the last error is that of the first connection that has one', () => {
  const { set } = newSet()
  expect(set.lastError).toBeUndefined()
  set.consuming.lastError = new Error('of no concern')
  expect(set.lastError).toBeUndefined()
  put(set.all[1], 'connecting', { lastError: AWAY })

  expect(set.lastError).toBe(AWAY)
  const earlier = new Error('of the first')
  put(set.all[0], 'connecting', { lastError: earlier })
  expect(set.lastError).toBe(earlier)
})

test('another try is worth the time until the first attempt to connect, and at least 100 ms', () => {
  const { set } = newSet()
  put(set.all[0], 'connecting', { nextAttemptMs: 700.2 })
  put(set.all[1], 'connecting', { nextAttemptMs: 400.2 })
  expect(set.retryAfterMs).toBe(401)
  put(set.all[1], 'connecting', { nextAttemptMs: 7 })
  expect(set.retryAfterMs).toBe(100)
  // Of one that is open nobody can know when it has room.
  put(set.all[1], 'blocked', { nextAttemptMs: 7 })
  expect(set.retryAfterMs).toBe(1_000)
})

test('a connection that opens, or is lost, is told to the log, to the listeners and to the owner', () => {
  const { set, log, told } = newSet()
  const [first] = putAll(set, 'open', 'connecting') as [Connection]
  set.opened(first, OPENED)
  set.lost(first, LOST)
  set.retrying(first, { attempt: 3, delayMs: 50, error: AWAY })

  const { broker } = first
  expect(told).toEqual([
    'opened',
    ['connect', { connection: 1, broker, openMs: 12 }],
    ['disconnect', { connection: 1, broker, reason: 'a reset' }],
  ])
  expect(log.records).toEqual([
    expect.objectContaining({ event: 'connection.open', connection: 1, broker, ...OPENED }),
    expect.objectContaining({ event: 'connection.close', connection: 1, broker, ...LOST }),
    expect.objectContaining({
      event: 'connection.retry',
      connection: 1,
      attempt: 3,
      delayMs: 50,
      error: { message: 'ECONNREFUSED' },
    }),
  ])
})

test('an alarm and its end are told to the log, to the listeners and to the owner', () => {
  const { set, log, told } = newSet()
  const [, second] = putAll(set, 'connecting', 'blocked') as [Connection, Connection]
  set.blocked(second, 'low on memory')
  set.unblocked(second, 250)

  expect(told).toEqual([
    ['blocked', { connection: 2, reason: 'low on memory' }],
    'unblocked 2',
    ['unblocked', { connection: 2, blockedMs: 250 }],
  ])
  expect(log.records).toEqual([
    expect.objectContaining({ event: 'connection.blocked', connection: 2, reason: 'low on memory' }),
    expect.objectContaining({ event: 'connection.unblocked', connection: 2, blockedMs: 250 }),
  ])
})

test('a warning that several connections have is told once', () => {
  const { set, log } = newSet()
  const [first, second] = set.all as [Connection, Connection]
  for (const connection of [first, second]) set.warned(connection, 'anybody is trusted')
  set.warned(second, 'something else')

  expect(log.records).toMatchObject([
    { event: 'pool.warning', connection: 1, reason: 'anybody is trusted' },
    { event: 'pool.warning', connection: 2, reason: 'something else' },
  ])
})

test('a refusal counts once every connection that publishes has it, and says when to come back', async () => {
  const { set, log, told, asked } = newSet()
  const [first, second] = putAll(set, 'refused', 'connecting') as [Connection, Connection]
  put(set.all[0], 'refused', { nextAttemptMs: 20_000 })
  set.refused(first, REFUSAL)
  expect(told).toEqual([])
  expect(set.refusal()).toBeUndefined()
  put(set.all[1], 'refused', { nextAttemptMs: 29_000.5 })
  asked.length = 0
  set.refused(second, REFUSAL)

  expect(log.records).toMatchObject([
    { event: 'pool.warning', connection: 1, reason: 'the password is wrong' },
    { event: 'pool.warning', connection: 2, reason: 'the password is wrong' },
  ])
  const [error] = told as [PooledProducerError]
  expect(error).toMatchObject({
    code: 'ERR_BROKER_REFUSED',
    message: 'the password is wrong',
    cause: REFUSAL.cause,
    retryable: false,
    retryAfterMs: 20_000,
  })
  expect('outcome' in error).toBe(false)
  expect(told).toEqual([error, ['refused', error]])
  // Nothing is tried by the clock any more: whoever asks is told no.
  await pass(30_000)
  expect(asked).toEqual([])
})

test('while a refusal stands, whoever asks has it tried again, and gets an error of its own', () => {
  const { set, told, asked } = newSet()
  const [first] = putAll(set, 'refused', 'refused') as [Connection]
  for (const connection of set.all) put(connection, 'refused', { nextAttemptMs: 20_000 })
  set.refused(first, REFUSAL)
  for (const connection of set.all) put(connection, 'refused', { nextAttemptMs: 5_000 })
  const error = set.refusal('not-sent')

  expect(asked).toEqual([1, 2])
  expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', outcome: 'not-sent', retryAfterMs: 5_000 })
  expect(error).not.toBe(told[0])
  put(first, 'open')
  set.opened(first, OPENED)
  expect(set.refusal('not-sent')).toBeUndefined()
})

test('that the one that consumes opens is no end of a refusal', () => {
  const { set } = newSet()
  const [first] = putAll(set, 'refused', 'refused') as [Connection]
  set.refused(first, REFUSAL)
  set.opened(put(set.consuming, 'open'), OPENED)

  expect(set.refusal('not-sent')).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
})

test('those that were refused while others are not are tried again by the clock, the first at its time', async () => {
  const { set, asked } = newSet()
  putAll(set, 'open', 'refused')
  put(set.all[1], 'refused', { nextAttemptMs: 20_000 })
  put(set.consuming, 'refused', { nextAttemptMs: 10_000 })
  set.refused(set.consuming, REFUSAL)
  expect(asked).toEqual([2, 3])
  await pass(9_999)
  expect(asked).toEqual([2, 3])
  // Its time has come: it is being opened, and needs no clock any more.
  set.consuming.open = () => void put(set.consuming, 'connecting', { nextAttemptMs: 0 })
  put(set.all[1], 'refused', { nextAttemptMs: 10_000 })
  await pass(1)
  expect(set.consuming.state).toBe('connecting')
  expect(asked).toEqual([2, 3, 2])
  await pass(9_999)
  expect(asked).toHaveLength(3)
  await pass(1)

  expect(asked).toEqual([2, 3, 2, 2])
})

test('the clock for those that were refused is one, and is stopped where nobody is refused, or all are', async () => {
  const { set } = newSet()
  const [first, second] = putAll(set, 'open', 'refused') as [Connection, Connection]
  put(second, 'refused', { nextAttemptMs: 20_000 })
  for (let times = 0; times < 2; times++) set.refused(second, REFUSAL)
  expect(jest.getTimerCount()).toBe(1)
  put(second, 'open')
  set.opened(second, OPENED)
  expect(jest.getTimerCount()).toBe(0)

  put(second, 'refused', { nextAttemptMs: 20_000 })
  set.refused(second, REFUSAL)
  expect(jest.getTimerCount()).toBe(1)
  put(first, 'refused', { nextAttemptMs: 30_000 })
  await pass(20_000)
  expect(jest.getTimerCount()).toBe(0)
})

test('close closes all of them in the time given, waits for each, and stops the clock', async () => {
  const { set, asked } = newSet()
  const [, second] = putAll(set, 'open', 'refused') as [Connection, Connection]
  put(second, 'refused', { nextAttemptMs: 20_000 })
  set.refused(second, REFUSAL)
  asked.length = 0
  const closed: [number, number][] = []
  for (const connection of [...set.all, set.consuming]) {
    connection.close = async (limitMs) => {
      if (connection === second) await new Promise((resolve) => setTimeout(resolve, 50))
      closed.push([connection.id, limitMs])
    }
  }
  const closing = set.close(70)
  await pass(50)
  await closing
  await pass(30_000)

  expect(closed).toEqual([
    [1, 70],
    [3, 70],
    [2, 70],
  ])
  expect(asked).toEqual([])
})

test('an outage is one from failFastAfterMs on, counted from the first failure', async () => {
  const { set } = newSet({ failFastAfterMs: 200 })
  const [first] = putAll(set, 'connecting', 'connecting') as [Connection]
  await pass(10_000)
  // Nothing has failed so far.
  expect(set.outage()).toBeUndefined()
  put(first, 'connecting', { lastError: AWAY, nextAttemptMs: 300 })
  put(set.all[1], 'connecting', { nextAttemptMs: 300 })
  set.retrying(first, { attempt: 1, delayMs: 50, error: AWAY })
  await pass(150)
  set.retrying(first, { attempt: 2, delayMs: 50, error: AWAY })
  await pass(49)
  expect(set.outage()).toBeUndefined()
  await pass(1)

  expect(set.outage()).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: 'refused at once, for nothing could be sent for 200 ms: ECONNREFUSED',
    outcome: 'not-sent',
    cause: AWAY,
    retryAfterMs: 300,
  })
})

test.each<[string, (set: ConnectionSet, connection: Connection) => void, ConnectionState]>([
  ['a loss', (set, connection) => set.lost(connection, LOST), 'connecting'],
  ['an alarm', (set, connection) => set.blocked(connection, 'low on memory'), 'blocked'],
])('%s begins an outage, and a connection that takes messages again ends it', async (_, happen, state) => {
  const { set } = newSet({ failFastAfterMs: 200 })
  const [first] = putAll(set, state, 'connecting') as [Connection]
  happen(set, first)
  await pass(200)
  expect(set.outage()).toBeDefined()
  put(first, 'open')
  if (state === 'blocked') set.unblocked(first, 200)
  else set.opened(first, OPENED)
  expect(set.outage()).toBeUndefined()
  await pass(1_000)

  expect(set.outage()).toBeUndefined()
  // The next one counts from its own begin.
  put(first, state)
  happen(set, first)
  expect(set.outage()).toBeUndefined()
})

test('the count of an outage ends with it, and with its connections', async () => {
  const { set } = newSet({ failFastAfterMs: 200 })
  const [first] = putAll(set, 'connecting', 'connecting') as [Connection]
  for (const connection of [...set.all, set.consuming]) connection.close = async () => {}
  set.lost(first, LOST)
  expect(jest.getTimerCount()).toBe(1)
  put(first, 'open')
  set.opened(first, OPENED)
  expect(jest.getTimerCount()).toBe(0)
  put(first, 'connecting')
  set.lost(first, LOST)
  await set.close(70)

  expect(jest.getTimerCount()).toBe(0)
})

test('what the process itself was held up for is no outage: a connection may be back, and nobody has looked', async () => {
  const { set } = newSet({ failFastAfterMs: 200 })
  const [first] = putAll(set, 'connecting', 'connecting') as [Connection]
  set.lost(first, LOST)
  const heldUpUntil = performance.now() + 10_000
  const clock = jest.spyOn(performance, 'now').mockReturnValue(heldUpUntil)
  expect(set.outage()).toBeUndefined()
  clock.mockRestore()
  await pass(200)

  expect(set.outage()).toBeDefined()
})

test('with failFastAfterMs 0 no outage is too long', async () => {
  const { set } = newSet({ failFastAfterMs: 0 })
  const [first] = putAll(set, 'connecting', 'connecting') as [Connection]
  set.lost(first, LOST)
  await pass(100_000)

  expect(set.outage()).toBeUndefined()
})

test.each<[ConnectionState, object]>([
  ['open', { code: 'ERR_PUBLISH_TIMEOUT', reason: 'all are busy', cause: AWAY, retryAfterMs: 1_000 }],
  ['refused', { code: 'ERR_PUBLISH_TIMEOUT', reason: 'all are busy', cause: AWAY, retryAfterMs: 1_000 }],
  [
    'blocked',
    {
      code: 'ERR_BROKER_BLOCKED',
      reason: 'the broker has blocked the connection for want of memory or disk',
      cause: undefined,
      retryAfterMs: 1_000,
    },
  ],
  [
    'connecting',
    { code: 'ERR_BROKER_UNAVAILABLE', reason: 'there is no connection yet', cause: undefined, retryAfterMs: 100 },
  ],
])('what is in the way of a message while the connections are %s is said', (state, obstacle) => {
  const { set } = newSet()
  putAll(set, state, state)

  expect(set.obstacle({ code: 'ERR_PUBLISH_TIMEOUT', reason: 'all are busy', cause: AWAY })).toEqual(obstacle)
})

test('a refusal for another call keeps what is said, and the time of the first where none is given', () => {
  const first = repeated(REFUSAL, 'unknown', 20_000)
  const { code, message, cause, retryable } = REFUSAL
  expect(first).toMatchObject({ code, message, cause, retryable, outcome: 'unknown', retryAfterMs: 20_000 })

  expect(repeated(first)).toMatchObject({ code, message, cause, retryable, retryAfterMs: 20_000 })
  expect('outcome' in repeated(first)).toBe(false)
})
