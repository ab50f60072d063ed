import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { Connection } from '../../lib/amqp/connection.ts'
import type { ConsumeMessage } from '../../lib/amqp/consumer.ts'
import { EventLog } from '../../lib/observe/log.ts'
import { Subscription, type SubscriptionRequest } from '../../lib/pool/subscription.ts'
import { failureOf } from '../support/failure.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const cut = new Error('cut')
const MESSAGE = { content: Buffer.from('x') } as ConsumeMessage

/** A channel without a broker, from which messages come when the test says so. */
class TestChannel extends EventEmitter {
  isClosed = false
  deliver: (message: ConsumeMessage) => void = () => {}

  async consume(_queue: string, deliver: (message: ConsumeMessage) => void): Promise<void> {
    this.deliver = deliver
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.emit('close')
  }
}

/** A connection that opens channels when it is open. */
class TestConnection {
  isOpen = true
  lastError: Error | undefined
  /** How often it was asked to open. */
  asked = 0
  readonly channels: TestChannel[] = []

  open(): void {
    this.asked++
  }

  async openPlainChannel(): Promise<TestChannel> {
    const channel = new TestChannel()
    this.channels.push(channel)
    return channel
  }

  /** The channel opened last. */
  get last(): TestChannel {
    return this.channels.at(-1) as TestChannel
  }
}

let connection: TestConnection
let log: RecordedLog
/** Those that said that they are closed. */
let closed: Subscription[]

beforeEach(() => {
  // What is due in this turn is no matter of a clock.
  jest.useFakeTimers({ doNotFake: ['queueMicrotask'] })
  // Not from 0 on: a time that was added instead of taken off would not be seen.
  jest.advanceTimersByTime(5_000)
  // The shortest pauses: 50 ms, 100, 200, 400.
  jest.spyOn(Math, 'random').mockReturnValue(0)
  connection = new TestConnection()
  log = new RecordedLog()
  closed = []
})

afterEach(() => {
  jest.useRealTimers()
})

/** A subscription that is not open yet. */
function subscriptionOf(request: Partial<SubscriptionRequest> = {}): Subscription {
  return new Subscription(
    { name: 'results', declare: async () => 'q', received: () => {}, ...request },
    connection as unknown as Connection,
    new EventLog(log, 'shop'),
    (subscription) => closed.push(subscription),
  )
}

/** One that is consumed from. */
async function opened(request: Partial<SubscriptionRequest> = {}): Promise<Subscription> {
  const subscription = subscriptionOf(request)
  await subscription.ready({ timeoutMs: 100 })
  return subscription
}

/** One whose queue cannot be declared, for the reasons given; the last of them holds for ever. */
function failing(...reasons: string[]): Subscription {
  return subscriptionOf({
    declare: async () => {
      throw new Error(reasons.length > 1 ? reasons.shift() : reasons[0])
    },
  })
}

/** Lets what is due in so many milliseconds happen, and what follows from it. */
async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
}

test('it is ready once its queue is consumed from, on a connection that it asks for, and is opened once', async () => {
  connection.isOpen = false
  const received: ConsumeMessage[] = []
  const subscription = subscriptionOf({ received: (message) => received.push(message) })
  subscription.wake()
  await pass(1_000)
  expect([connection.asked, connection.channels.length, subscription.isReady]).toEqual([1, 0, false])

  connection.isOpen = true
  const ready = subscription.ready({ timeoutMs: 100 })
  expect(subscription.isReady).toBe(false)
  subscription.wake()
  await ready
  subscription.wake()
  connection.last.deliver(MESSAGE)

  expect([connection.channels.length, subscription.isReady]).toEqual([1, true])
  expect(received).toEqual([MESSAGE])
})

test('whoever asks for what is ready already does not wait', async () => {
  const subscription = await opened()
  await subscription.ready({ timeoutMs: 100 })

  expect(jest.getTimerCount()).toBe(0)
})

test.each([
  [undefined, 'there is no connection yet'],
  [cut, 'cut'],
])('without a connection, for which the reason is %p, ready ends in time and says why', async (reason, told) => {
  connection.isOpen = false
  connection.lastError = reason
  const failure = failureOf(subscriptionOf().ready({ timeoutMs: 100 }))
  await pass(100)

  const error = await failure
  expect(error).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: `no subscription results in 100 ms: ${told}`,
  })
  expect(error.cause).toBe(reason)
})

test('its own error is told before that of its connection, until it is ready', async () => {
  connection.lastError = cut
  const reasons = ['no']
  const subscription = subscriptionOf({
    declare: async () => {
      const reason = reasons.shift()
      if (reason !== undefined) throw new Error(reason)
      return 'q'
    },
  })
  expect(subscription.lastError).toBe(cut)
  subscription.wake()
  await pass(0)
  expect(subscription.lastError?.message).toBe('no')

  await subscription.ready({ timeoutMs: 100 })
  expect(subscription.lastError).toBe(cut)
})

test('an attempt that failed is made again after pauses that grow, and by whoever asks in between', async () => {
  const subscription = failing('no')
  subscription.wake()
  for (const [attempts, pauseMs] of [50, 100, 200].entries()) {
    await pass(pauseMs - 1)
    expect(connection.channels).toHaveLength(attempts + 1)
    await pass(1)
    expect(connection.channels).toHaveLength(attempts + 2)
  }
  subscription.wake()
  await pass(0)

  expect(connection.channels).toHaveLength(5)
  expect(connection.channels.every((channel) => channel.isClosed)).toBe(true)
})

test('one that ends in its first second is opened again after a pause, and is not ready until then', async () => {
  const subscription = await opened()
  await pass(999)
  connection.last.emit('close')
  expect(subscription.isReady).toBe(false)
  await pass(49)
  expect([connection.channels.length, subscription.isReady]).toEqual([1, false])
  await pass(1)

  expect([connection.channels.length, subscription.isReady]).toEqual([2, true])
})

test('one that ends later is opened again at once', async () => {
  const subscription = await opened()
  await pass(1_000)
  connection.last.emit('close')
  await pass(1)

  expect([connection.channels.length, subscription.isReady]).toEqual([2, true])
})

test('an interruption is logged once for each reason', async () => {
  failing('no', 'no', 'never').wake()
  await pass(1_000)
  expect(log.of('pool.warning')).toMatchObject([
    { reason: 'the subscription results was interrupted', error: { message: 'no' } },
    { reason: 'the subscription results was interrupted', error: { message: 'never' } },
  ])
})

test('an interruption for the same reason is logged again once it was ready between', async () => {
  await opened()
  for (let times = 0; times < 2; times++) {
    connection.last.emit('error', cut)
    connection.last.emit('close')
    await pass(1_000)
  }
  expect(log.of('pool.warning')).toMatchObject([{ error: { message: 'cut' } }, { error: { message: 'cut' } }])
})

test('what ends with its connection is not logged, and opened again when the connection is', async () => {
  const subscription = await opened()
  connection.last.emit('close')
  connection.isOpen = false
  await pass(10_000)
  expect([connection.channels.length, subscription.isReady]).toEqual([1, false])
  connection.isOpen = true
  subscription.wake()
  await pass(0)

  expect([connection.channels.length, subscription.isReady]).toEqual([2, true])
  expect(log.records).toEqual([])
})

test('a receiver that throws is logged, with the name of its subscription, and gets the next message', async () => {
  let calls = 0
  await opened({
    received: () => {
      calls++
      throw cut
    },
  })
  for (let times = 0; times < 2; times++) connection.last.deliver(MESSAGE)

  expect(calls).toBe(2)
  const warning = { reason: 'what takes the messages of the subscription results threw', error: { message: 'cut' } }
  expect(log.of('pool.warning')).toMatchObject([warning, warning])
})

test('what is closed consumes no more, says so once, and is not opened again', async () => {
  let told = 0
  const subscription = await opened({ closed: () => told++ })
  expect(subscription.isClosed).toBe(false)
  const closing = subscription.close()
  expect([subscription.isClosed, subscription.isReady]).toEqual([true, false])
  await closing
  await subscription.close()
  expect([told, closed, connection.last.isClosed]).toEqual([1, [subscription], true])

  const { asked } = connection
  expect(await failureOf(subscription.ready({ timeoutMs: 100 }))).toMatchObject({
    code: 'ERR_POOL_CLOSED',
    message: 'the subscription results is closed',
  })
  await pass(10_000)
  expect([connection.asked, connection.channels.length]).toEqual([asked, 1])
})

test('whoever waits for it is told at once that it was closed', async () => {
  connection.isOpen = false
  const subscription = subscriptionOf()
  const failures = [100, 200].map((timeoutMs) => failureOf(subscription.ready({ timeoutMs })))
  await subscription.close()

  for (const failure of failures) expect(await failure).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  expect(closed).toEqual([subscription])
})

test('what is closed as it waits to be tried again is not tried again, nor logged any more', async () => {
  const waiting = failing('no')
  waiting.wake()
  await pass(10)
  await waiting.close()
  expect(log.records).toHaveLength(1)

  const ended = await opened()
  connection.last.emit('close')
  void ended.close()
  await pass(10_000)
  expect([connection.channels.length, log.records.length, jest.getTimerCount()]).toEqual([2, 1, 0])
  expect(closed).toEqual([waiting, ended])
})

test('what is closed as it is being opened is taken away once it is there, and is never ready', async () => {
  const queues = new Set<string>()
  const subscription = subscriptionOf({
    declare: async () => {
      queues.add('q')
      return 'q'
    },
    dispose: async () => queues.delete('q'),
  })
  const failure = failureOf(subscription.ready({ timeoutMs: 100 }))
  await subscription.close()

  expect(connection.last.isClosed).toBe(true)
  expect([queues.size, subscription.isReady]).toEqual([0, false])
  expect(await failure).toMatchObject({ code: 'ERR_POOL_CLOSED' })
})
