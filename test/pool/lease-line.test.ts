import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { EventLog } from '../../lib/observe/log.ts'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import { Leases } from '../../lib/pool/leases.ts'
import type { Producer } from '../../lib/pool/producer.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'
import { Counters } from '../../lib/pool/stats.ts'
import { afterTest } from '../support/cleanup.ts'
import { failureOf } from '../support/failure.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const NUMBERS = '1 leased, 0 idle, 1 waiting, maxChannels 2'
const STATE = { state: 'open', channels: 1, leased: 1, idle: 0, waiting: 1 }
const cut = new Error('cut')
let refusal: PooledProducerError | undefined
let outage: PooledProducerError | undefined
let lastError: Error | undefined
let stats: typeof STATE
let dispatcher: { waiting: number }
let line: Set<(channel: PooledChannel) => void>
let grown: number
let counters: Counters
let log: RecordedLog
let leases: Leases

beforeEach(() => {
  jest.useFakeTimers()
  // Not from 0 on: a time that was added instead of taken off would not be seen.
  jest.advanceTimersByTime(1_000)
  refusal = outage = lastError = undefined
  stats = { ...STATE }
  line = new Set()
  grown = 0
  counters = new Counters()
  log = new RecordedLog()
  const channels = {
    idle: 0,
    leased: 1,
    wait: (listener: (channel: PooledChannel) => void) => line.add(listener),
    leave: (listener: (channel: PooledChannel) => void) => line.delete(listener),
    give: () => {},
    grow: () => void grown++,
  }
  dispatcher = Object.assign(
    { waiting: 0 },
    { wake: () => {}, fill: () => {}, adopt: () => {}, newQueue: () => new PublishQueue(counters) },
  )
  const host = {
    refusal: () => refusal,
    connections: { outage: () => outage, retryAfterMs: 50 },
    lastError: () => lastError,
    stats: () => stats,
  }
  const settings = { name: 'shop', acquireTimeoutMs: 100, maxWaiting: 2, maxChannels: 2, leaseWarnMs: 40 }
  leases = new Leases(
    channels as never,
    dispatcher as never,
    {} as never,
    host as never,
    settings,
    counters,
    new EventLog(log, 'shop'),
  )
})

afterEach(() => {
  leases.stop()
  jest.useRealTimers()
})

/** Whoever waits first gets a channel. */
function lend(): PooledChannel {
  const channel = { id: 7, leases: 0, publishes: 0, isUsable: true } as unknown as PooledChannel
  const [listener] = line
  if (listener === undefined) throw new Error('nobody waits')
  line.delete(listener)
  listener(channel)
  return channel
}

/** A producer on a channel of its own. */
async function acquired(): Promise<{ producer: Producer; channel: PooledChannel }> {
  const acquiring = leases.acquire({})
  const channel = lend()
  return { producer: await acquiring, channel }
}

test('whoever cannot be served now is told so at once, and so is whoever waits for the first channel', async () => {
  refusal = new PooledProducerError('ERR_BROKER_REFUSED', 'no')
  expect(await failureOf(leases.acquire({}))).toBe(refusal)
  expect(await failureOf(leases.opened(100, undefined))).toBe(refusal)
})

test('an outage that lasts refuses an acquire at once', async () => {
  outage = new PooledProducerError('ERR_BROKER_UNAVAILABLE', 'away')
  expect(await failureOf(leases.acquire({}))).toBe(outage)
})

test('whoever does not wait is told how many have the channels, and when to ask again', async () => {
  expect(await failureOf(leases.acquire({ block: false }))).toMatchObject({
    code: 'ERR_POOL_EXHAUSTED',
    message: `no channel is free, and block is false (${NUMBERS})`,
    retryAfterMs: 50,
  })
})

test('publishes that wait count among those of whom there may be maxWaiting', async () => {
  dispatcher.waiting = 2
  expect(await failureOf(leases.acquire({}))).toMatchObject({
    code: 'ERR_POOL_EXHAUSTED',
    message: `maxWaiting (2) is reached (${NUMBERS})`,
  })
})

test('the wait for a channel is measured', async () => {
  const acquiring = leases.acquire({})
  jest.advanceTimersByTime(30)
  lend()
  await acquiring

  expect(Math.round(counters.waitMs.summary().max)).toBe(30)
  expect(log.of('channel.acquire')).toMatchObject([{ channel: 7, lease: 1, reused: false }])
})

test.each([
  ['open', cut, ''],
  ['connecting', undefined, '; connecting: there is no connection yet'],
  ['blocked', cut, '; blocked: cut'],
])(
  'an acquire that waits in vain while the pool is %s says why, as far as that is known',
  async (state, error, why) => {
    stats.state = state
    lastError = error
    const failure = failureOf(leases.acquire({}))
    jest.advanceTimersByTime(100)

    expect(await failure).toMatchObject({
      code: 'ERR_ACQUIRE_TIMEOUT',
      message: `no channel in 100 ms (${NUMBERS})${why}`,
      retryAfterMs: 50,
    })
    expect(line.size).toBe(0)
  },
)

test('an aborted acquire carries the reason of its signal', async () => {
  const controller = new AbortController()
  const failure = failureOf(leases.acquire({ signal: controller.signal }))
  controller.abort(cut)

  expect(await failure).toMatchObject({
    code: 'ERR_ABORTED',
    message: 'the acquire was aborted by its signal',
    cause: cut,
  })
})

test('all who wait can be rejected, each with an error of its own', async () => {
  const failures = [failureOf(leases.acquire({})), failureOf(leases.acquire({}))]
  expect(leases.waiting).toBe(2)
  leases.rejectAll(() => new PooledProducerError('ERR_POOL_CLOSED', 'closed'))
  const [one, other] = await Promise.all(failures)

  expect([one, other].map((error) => error?.code)).toEqual(['ERR_POOL_CLOSED', 'ERR_POOL_CLOSED'])
  expect(one).not.toBe(other)
  expect([leases.waiting, line.size]).toEqual([0, 0])
})

test('where a channel is open already nobody waits for one, and none is opened', async () => {
  await leases.opened(100, undefined)
  expect(grown).toBe(0)
})

test('whoever waits for the first channel has one opened, and is told of it', async () => {
  stats.channels = 0
  let isOpened = false
  const opened = leases.opened(100, undefined).then(() => {
    isOpened = true
  })
  await jest.advanceTimersByTimeAsync(50)
  expect([grown, isOpened]).toEqual([1, false])
  leases.channelOpened()

  await opened
  expect(leases.waiting).toBe(0)
})

test('a channel with room wakes the producer that has it', async () => {
  const { producer, channel } = await acquired()
  const wake = jest.spyOn(producer, 'wake')
  leases.wake(channel)
  leases.wake({} as PooledChannel)

  expect(wake).toHaveBeenCalledTimes(1)
})

test('how long a lease was held is logged, and a second release says what may have happened', async () => {
  const { producer } = await acquired()
  jest.advanceTimersByTime(30)
  leases.release(producer)

  const [record] = log.of('channel.release')
  expect(Math.round(record?.heldMs as number)).toBe(30)
  expect(() => leases.release(producer)).toThrow(
    "this producer is not on lease from this pool: it was released before, or is another pool's",
  )
})

test('a lease that is held for long is told of, unless it is given back or the pool is closed', async () => {
  const [held, returned] = [await acquired(), await acquired()]
  for (const { producer } of [held, returned]) leases.watch(producer, new Error('taken here'))
  leases.release(returned.producer)
  jest.advanceTimersByTime(1_000)

  expect(log.of('lease.held')).toMatchObject([{ lease: held.producer.lease, channel: 7 }])
  expect(Math.round(log.of('lease.held')[0]?.heldMs as number)).toBe(40)

  leases.watch((await acquired()).producer, new Error('taken here'))
  leases.stop()
  jest.advanceTimersByTime(1_000)
  expect(log.of('lease.held')).toHaveLength(1)
})

test('a tracer hears of an acquire, and for which pool', async () => {
  const heard: unknown[] = []
  const hear = (message: unknown) => void heard.push(message)
  subscribe('tracing:pooled-producer:acquire:start', hear)
  afterTest(() => unsubscribe('tracing:pooled-producer:acquire:start', hear))
  await acquired()

  expect(heard).toMatchObject([{ pool: 'shop' }])
})
