import { expect, jest, test } from '@jest/globals'
import { pino } from 'pino'
import { EVENTS, EventLog, type EventName } from '../../lib/observe/log.ts'
import type { Logger } from '../../lib/options.ts'
import { startScript } from '../support/script.ts'

type Line = Record<string, unknown> & { msg: string }

function capture(level: string, pool = 'default') {
  const lines: Line[] = []
  const raw: string[] = []
  const write = (line: string) => {
    raw.push(line)
    lines.push(JSON.parse(line) as Line)
  }
  const logger = pino({ level }, { write })
  return { log: new EventLog(logger as Logger, pool), logger, lines, raw }
}

const SECRET = 'hunter2'
const URL_WITH_SECRET = `amqp://user:${SECRET}@rabbit-1/vhost`

const RECORDS: Record<EventName, { fields: Record<string, unknown>; msg: string }> = {
  'connection.open': {
    fields: { connection: 1, broker: 'amqp://rabbit-1/', openMs: 12.3, attempts: 3 },
    msg: 'connection 1 to amqp://rabbit-1/ opened in 12 ms at attempt 3',
  },
  'connection.close': {
    fields: { connection: 1, broker: 'amqp://rabbit-1/', lifetimeMs: 7_560_000, reason: 'lost' },
    msg: 'connection 1 to amqp://rabbit-1/ closed after 2.1 h (lost)',
  },
  'connection.retry': {
    fields: { connection: 1, attempt: 3, delayMs: 250, error: { message: 'connect ECONNREFUSED' } },
    msg: 'connection 1 did not open at attempt 3: connect ECONNREFUSED; next in 250 ms',
  },
  'connection.blocked': {
    fields: { connection: 1, reason: 'low on memory' },
    msg: 'the broker blocked connection 1 (low on memory)',
  },
  'connection.unblocked': {
    fields: { connection: 1, blockedMs: 3_200 },
    msg: 'the broker unblocked connection 1 after 3.2 s',
  },
  'channel.open': {
    fields: { channel: 3, connection: 1, openMs: 1.26 },
    msg: 'channel 3 opened on connection 1 in 1.3 ms',
  },
  'channel.close': {
    fields: { channel: 3, connection: 1, publishes: 12_034, leases: 4, lifetimeMs: 5_000, reason: 'idle' },
    msg: 'channel 3 closed after 12,034 publishes in 4 leases (idle)',
  },
  'channel.acquire': {
    fields: { channel: 3, lease: 18, reused: true, waitMs: 0.01 },
    msg: 'lease 18 took channel 3 after 0.01 ms, kept open',
  },
  'channel.release': {
    fields: { channel: 3, lease: 18, heldMs: 0.42, publishes: 1 },
    msg: 'lease 18 gave back channel 3 after 0.42 ms and 1 publish',
  },
  'lease.held': {
    fields: { channel: 3, lease: 18, heldMs: 30_000, stack: 'Error: taken here' },
    msg: 'lease 18 still holds channel 3 after 30 s',
  },
  'publish.confirm': {
    fields: { channel: 3, taskId: 't1', task: 'tasks.add', routingKey: 'q', bytes: 90, confirmMs: 1.2, attempts: 2 },
    msg: 'tasks.add confirmed in 1.2 ms on channel 3 at attempt 2',
  },
  'publish.retry': {
    fields: { taskId: 't1', task: 'tasks.add', code: 'ERR_CHANNEL_CLOSED', attempt: 1, outcome: 'unknown' },
    msg: 'tasks.add is sent again after attempt 1 (ERR_CHANNEL_CLOSED)',
  },
  'publish.fail': {
    fields: { taskId: 't1', task: 'tasks.add', code: 'ERR_UNROUTABLE', attempt: 2, outcome: 'refused' },
    msg: 'tasks.add failed at attempt 2: ERR_UNROUTABLE (refused)',
  },
  'pool.summary': {
    fields: { publishes: 12_034, channelsOpened: 2, reuseRatio: 0.99983, waitMs: { p50: 1, p99: 2, max: 3 } },
    msg: '12,034 publishes so far over 2 channels, 99.98 % without opening one',
  },
  'pool.warning': { fields: { reason: 'the fast path is off' }, msg: 'the fast path is off' },
}

test.each(Object.keys(EVENTS) as EventName[])(
  '%s is one line at its level, with its fields and a sentence',
  (event) => {
    const { log, lines } = capture('debug')
    const { fields, msg } = RECORDS[event]

    log.write(event, fields)

    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ level: pino.levels.values[EVENTS[event]], pool: 'default', event, ...fields, msg })
  },
)

test('a retry of many messages says how many', () => {
  const { log, lines } = capture('debug')

  log.write('publish.retry', { code: 'ERR_CHANNEL_CLOSED', more: 40, outcome: 'unknown' })

  expect(lines[0]?.msg).toBe('40 more messages are sent again (ERR_CHANNEL_CLOSED)')
})

test.each(Object.keys(EVENTS) as EventName[])('%s makes a sentence of no fields at all', (event) => {
  const { log, lines } = capture('debug')

  log.write(event, {})

  expect(lines[0]?.msg).toMatch(/^\S.*\S$/)
  expect(lines[0]?.msg).not.toMatch(/undefined|null|NaN|object/)
})

test('an event whose level is off is not written, and neither its fields nor its sentence are made', () => {
  const { log, lines } = capture('info')
  const read = jest.fn(() => 'tasks.add')

  log.write('publish.confirm', Object.defineProperty({}, 'task', { get: read, enumerable: true }))

  expect(lines).toHaveLength(0)
  expect(read).not.toHaveBeenCalled()
  expect(log.isDebug).toBe(false)
})

test('a level that is changed on a running server counts for pools that exist', () => {
  const { log, logger, lines } = capture('info')

  logger.level = 'debug'
  log.write('channel.acquire', { channel: 1, lease: 1 })

  expect(log.isDebug).toBe(true)
  expect(lines).toHaveLength(1)
})

test('false as the logger writes nothing', () => {
  const log = new EventLog(false, 'default')

  log.write('publish.fail', RECORDS['publish.fail'].fields)

  expect(log.isDebug).toBe(false)
})

test('a logger without child() and isLevelEnabled() gets every record, with the pool in it', () => {
  const records: object[] = []
  const take = (record: object, msg?: string) => void records.push({ ...record, msg })
  const log = new EventLog({ debug: take, info: take, warn: take, error: take }, 'orders')

  log.write('channel.acquire', { channel: 1, lease: 2 })

  expect(log.isDebug).toBe(true)
  expect(records).toEqual([
    { pool: 'orders', event: 'channel.acquire', channel: 1, lease: 2, msg: 'lease 2 took channel 1' },
  ])
})

test('a logger that throws harms nobody', () => {
  const fail = () => {
    throw new Error('disk full')
  }
  const log = new EventLog({ debug: fail, info: fail, warn: fail, error: fail, isLevelEnabled: fail }, 'default')

  expect(() => log.write('channel.open', {})).not.toThrow()
  expect(log.isDebug).toBe(false)
})

test('a field that cannot be read harms nobody', () => {
  const { log } = capture('info')
  const fields = {
    get channel(): never {
      throw new Error('gone')
    },
  }

  expect(() => log.write('channel.open', fields)).not.toThrow()
})

test("the password of a broker's URL is in no line, wherever it came in", () => {
  const { log, raw } = capture('debug', `pool of ${URL_WITH_SECRET}`)
  const invalid = Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: URL_WITH_SECRET })
  const error = new Error(`no way to ${URL_WITH_SECRET}`, { cause: invalid })

  log.write('connection.open', { connection: 1, broker: URL_WITH_SECRET })
  log.write('connection.retry', { connection: 1, attempt: 1, error })
  log.write('connection.retry', { connection: 1, error: `no way to ${URL_WITH_SECRET}` })
  log.write('connection.close', { reason: { deep: [{ url: URL_WITH_SECRET }] } })
  log.write('pool.warning', { reason: URL_WITH_SECRET, url: new URL(URL_WITH_SECRET), invalid })

  expect(raw).toHaveLength(5)
  expect(raw.join('')).not.toContain(SECRET)
  expect(raw[0]).toContain('amqp://user:***@rabbit-1/vhost')
})

test('without a logger, pino at info is taken', async () => {
  const script = startScript(`
    import { EventLog } from '../../lib/observe/log.ts'
    const log = new EventLog(undefined, 'default')
    log.write('channel.acquire', ${JSON.stringify(RECORDS['channel.acquire'].fields)})
    log.write('channel.open', ${JSON.stringify(RECORDS['channel.open'].fields)})
  `)
  const line = JSON.parse(await script.nextLine())
  await script.ended

  expect(line).toMatchObject({ level: 30, event: 'channel.open', msg: RECORDS['channel.open'].msg })
  expect(new EventLog(undefined, 'default').isDebug).toBe(false)
})

test.each([
  ['amqps://user:hunter2@h', 'amqps://user:***@h'],
  ['AMQP://:hunter2@h', 'AMQP://:***@h'],
  ['amqp://u@mail.org:hun:ter2@h', 'amqp://u@mail.org:***@h'],
  ['amqp://u:hun/ter2"@h/v, next', 'amqp://u:***@h/v, next'],
  ['amqp://a:hunter2@h1;amqp://b:hunter2@h2', 'amqp://a:***@h1;amqp://b:***@h2'],
  ['amqp://host:5672/vhost, mail to a@b', 'amqp://host:5672/vhost, mail to a@b'],
])('%s is written without its secret', (text, shown) => {
  const { log, lines } = capture('info')

  log.write('pool.warning', { reason: text })

  expect(lines[0]?.reason).toBe(shown)
})

test('an error is written as code, message and causes, and nothing else of it', () => {
  const { log, lines } = capture('info')
  const refused = Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:5672')], ''), {
    code: 'ECONNREFUSED',
    socket: { secret: SECRET },
  })

  log.write('connection.retry', { connection: 1, error: new Error('no broker', { cause: refused }) })

  expect(lines[0]?.error).toEqual({
    message: 'no broker',
    cause: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED ::1:5672' },
  })
})

test('an error that is its own cause is cut', () => {
  const { log, raw } = capture('info')
  const error = new Error('round')
  error.cause = error

  log.write('connection.retry', { connection: 1, error })

  expect(raw[0]?.match(/"message":"round"/g)).toHaveLength(5)
})

test('a task name with a line break stays within its line', () => {
  const { log, raw } = capture('debug')

  log.write('publish.fail', { task: 'tasks.add\n{"level":30}\u001b[2J', code: 'ERR_NACKED' })

  expect(raw).toHaveLength(1)
  expect(raw[0]?.trimEnd()).not.toContain('\n')
  expect(raw[0]).not.toContain('\u001b')
})
