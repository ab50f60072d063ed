import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { guiltyMessage, lostChannel, nacked, suspectedMessages, unroutable } from '../../lib/amqp/channel-errors.ts'
import { EventLog } from '../../lib/observe/log.ts'
import { Arbiter, type ArbiterHost } from '../../lib/pool/arbiter.ts'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import type { ChannelPool } from '../../lib/pool/channel-pool.ts'
import type { Dispatcher } from '../../lib/pool/dispatcher.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishLog } from '../../lib/pool/publish-log.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'
import type { Resending } from '../../lib/pool/publish-request.ts'
import { Settlement } from '../../lib/pool/settlement.ts'
import { Counters } from '../../lib/pool/stats.ts'
import { failureOf } from '../support/failure.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const { template } = prepare({ exchange: 'shop', routingKey: 'orders', body: '' }, undefined)
const UNROUTABLE = { replyCode: 312, replyText: 'NO_ROUTE' }
const NEVER: Resending = { maxRetries: 0, firstPauseMs: 0, stepMs: 0, maxPauseMs: 0 }
const AFTER_300_MS: Resending = { maxRetries: 1, firstPauseMs: 300, stepMs: 0, maxPauseMs: 300 }

/** Stands for the pool: it notes what it is told, and may have declared what is missing. */
class TestHost implements ArbiterHost {
  readonly told: unknown[][] = []
  hasDeclared = false

  relieved(channel: PooledChannel): void {
    this.told.push(['relieved', channel.id])
  }

  closed(channel: PooledChannel): void {
    this.told.push(['closed', channel.id])
  }

  forget(exchange: string, routingKey: string): boolean {
    this.told.push(['forget', exchange, routingKey])
    return this.hasDeclared
  }
}

let host: TestHost
let counters: Counters
let records: RecordedLog
let settlement: Settlement
/** The bodies of the publishes that the dispatcher was given, each time that it was. */
let adopted: unknown[][]
/** The bodies of those that were written one by one. */
let written: unknown[]
let wakes: number
let arbiter: Arbiter

beforeEach(() => {
  jest.useFakeTimers()
  // Not from 0 on: a channel that was opened then would be none that was opened since.
  jest.advanceTimersByTime(1_000)
  host = new TestHost()
  counters = new Counters()
  records = new RecordedLog()
  adopted = []
  written = []
  wakes = 0
  const log = new PublishLog(new EventLog(records, 'shop'))
  settlement = new Settlement(counters, log, () => ({}) as never)
  const dispatcher = {
    adopt: (publishes: readonly PendingPublish[]) => void adopted.push(publishes.map(({ body }) => body)),
    write: (_: PooledChannel, publish: PendingPublish) => void written.push(publish.body),
    newQueue: () => new PublishQueue(counters),
    wake: () => void wakes++,
  }
  const channels = { take: async () => channel(), give: () => {} }
  arbiter = new Arbiter(
    dispatcher as unknown as Dispatcher,
    () => channels as unknown as ChannelPool,
    host,
    counters,
    settlement,
    log,
  )
})

afterEach(() => {
  settlement.stop()
  jest.useRealTimers()
})

/** A channel that has room, and has just been opened. */
function channel(): PooledChannel {
  const openedAt = performance.now()
  return { id: 7, openedAt, room: 1, whenEmpty: async () => {}, flush: () => {}, retire: () => {} } as never
}

/** A publish that was written once. */
function publishOf(body: string, resending?: Resending): PendingPublish {
  const publish = Object.assign(new PendingPublish(template, [], body, undefined), { attempts: 1, resending })
  settlement.accept(publish, 60_000, undefined, performance.now())
  return publish
}

/** The broker's error for a message over which it closed the channel. */
function guilty(code: number): ReturnType<typeof guiltyMessage> {
  return guiltyMessage(Object.assign(new Error('Channel closed by server'), { code }))
}

test('a confirm is the outcome of its publish', async () => {
  const publish = publishOf('a')
  arbiter.confirmed(publish, 2, channel())

  expect(counters.confirms).toBe(1)
  expect(await publish.promise).toEqual({ channel: 7, attempts: 1, confirmMs: 2 })
})

test('a message over which the channel was closed fails with just that, and nothing is declared again', async () => {
  const publish = publishOf('a')
  const error = guilty(406)
  arbiter.refused(publish, error, channel())

  expect(counters).toMatchObject({ failures: 1, returns: 0, retries: 0 })
  expect(await failureOf(publish.promise)).toBe(error)
  expect(error).toMatchObject({ outcome: 'refused', retryable: false })
  expect(host.told).toEqual([])
})

test.each([
  ['a queue', unroutable(template, UNROUTABLE), 1],
  ['an exchange', guilty(404), 0],
])('%s that the pool declared and that is gone is declared again: the error says so', (_, error, returns) => {
  host.hasDeclared = true
  arbiter.refused(publishOf('a'), error, channel())

  expect(host.told).toEqual([['forget', 'shop', 'orders']])
  expect(counters).toMatchObject({ failures: 1, returns })
  expect(error).toMatchObject({ outcome: 'refused', retryable: true })
})

test('what the pool did not declare is not there the next time either', () => {
  const error = unroutable(template, UNROUTABLE)
  arbiter.refused(publishOf('a'), error, channel())

  expect(host.told).toEqual([['forget', 'shop', 'orders']])
  expect(error.retryable).toBe(false)
})

test('a no to a message that has its outcome already means nothing', () => {
  const publish = publishOf('a')
  arbiter.confirmed(publish, 2, channel())
  arbiter.refused(publish, unroutable(template, UNROUTABLE), channel())
  arbiter.refused(publish, nacked(template), channel())

  expect(counters).toMatchObject({ confirms: 1, failures: 0, returns: 0, retries: 0 })
  expect(host.told).toEqual([])
})

test('a no to a message that may have been stored before does not say that it was not', async () => {
  const publish = publishOf('a')
  publish.isInDoubt = true
  arbiter.refused(publish, unroutable(template, UNROUTABLE), channel())

  expect(counters.failures).toBe(1)
  expect(await failureOf(publish.promise)).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'unknown' })
})

test('a nacked message is sent again, which is counted and logged', () => {
  arbiter.refused(publishOf('a'), nacked(template), channel())
  expect(counters).toMatchObject({ failures: 0, retries: 1 })
  expect(records.of('publish.retry')).toMatchObject([{ code: 'ERR_NACKED', attempt: 1 }])
  expect(host.told).toEqual([])
  jest.advanceTimersByTime(0)

  expect(adopted).toEqual([['a']])
})

test('the pause after a nack is that of the nacks or that of the message, whichever is longer', () => {
  const [patient, other] = [publishOf('a', AFTER_300_MS), publishOf('b')]
  other.nacked = { count: 1, firstAt: 0 }
  for (const publish of [patient, other]) arbiter.refused(publish, nacked(template), channel())
  jest.advanceTimersByTime(99)
  expect(adopted).toEqual([])
  jest.advanceTimersByTime(1)
  expect(adopted).toEqual([['b']])
  jest.advanceTimersByTime(199)
  expect(adopted).toEqual([['b']])
  jest.advanceTimersByTime(1)

  expect(adopted).toEqual([['b'], ['a']])
})

test('a nacked message that may not be written again has its outcome', async () => {
  const publish = publishOf('a', NEVER)
  const error = nacked(template)
  arbiter.refused(publish, error, channel())

  expect(counters).toMatchObject({ failures: 1, retries: 0 })
  expect(await failureOf(publish.promise)).toBe(error)
})

test('the messages of a lost channel are sent again at once, in their order, and are in doubt from now on', () => {
  const publishes = ['a', 'b', 'c'].map((body) => publishOf(body))
  arbiter.confirmed(publishes[1] as PendingPublish, 2, channel())
  arbiter.orphaned(publishes, lostChannel(undefined))

  expect(adopted).toEqual([['a', 'c']])
  expect(counters).toMatchObject({ retries: 2, failures: 0 })
  expect(records.of('publish.retry')).toMatchObject([{ code: 'ERR_CHANNEL_CLOSED' }, { code: 'ERR_CHANNEL_CLOSED' }])
  expect(publishes.map(({ isInDoubt }) => isInDoubt)).toEqual([true, false, true])
})

test('those of a lost channel that have a pause are sent again after it, and those that have no retries fail', async () => {
  const [once, patient, other] = [publishOf('a', NEVER), publishOf('b', AFTER_300_MS), publishOf('c')]
  arbiter.orphaned([once, patient, other], lostChannel(undefined))
  expect(counters).toMatchObject({ retries: 2, failures: 1 })
  jest.advanceTimersByTime(299)
  expect(adopted).toEqual([['c']])
  jest.advanceTimersByTime(1)

  expect(adopted).toEqual([['c'], ['b']])
  expect(await failureOf(once.promise)).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown' })
})

test('messages of which one is guilty are sent one by one, each on a channel of the pool’s', async () => {
  const publishes = ['a', 'b'].map((body) => publishOf(body))
  arbiter.orphaned(publishes, suspectedMessages(new Error('PRECONDITION_FAILED')))
  await jest.advanceTimersByTimeAsync(0)

  expect(written).toEqual(['a', 'b'])
  expect(adopted).toEqual([])
  expect(counters).toMatchObject({ retries: 2, failures: 0 })
  expect(publishes.map(({ isInDoubt }) => isInDoubt)).toEqual([false, false])
})

test('a channel with room again is offered to its lease, and to what waits', () => {
  arbiter.relieved(channel())

  expect(host.told).toEqual([['relieved', 7]])
  expect(wakes).toBe(1)
})

test('a channel that was closed is the pool’s matter', () => {
  arbiter.closed(channel())
  expect(host.told).toEqual([['closed', 7]])
})
