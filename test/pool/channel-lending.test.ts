import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import genericPool from 'generic-pool'
import type { ChannelFactory, PooledChannel } from '../../lib/pool/channel-factory.ts'
import { ChannelPool, type ChannelPoolSettings } from '../../lib/pool/channel-pool.ts'

const SETTINGS: ChannelPoolSettings = { minChannels: 1, maxChannels: 3, idleTimeoutMs: 60_000, maxChannelAgeMs: 0 }

/** A channel that can be used until it dies or is retired. */
class TestChannel {
  readonly id: number
  isUsable = true
  readonly openedAt = performance.now()
  readonly reasons: string[] = []

  constructor(id: number) {
    this.id = id
  }

  retire(reason: string): void {
    this.isUsable = false
    this.reasons.push(reason)
  }
}

/** Opens channels at once, or when the test says so. */
class TestFactory {
  readonly opened: TestChannel[] = []
  readonly destroyed: TestChannel[] = []
  isSlow = false
  isClosed = false
  #coming: ((channel: TestChannel) => void)[] = []

  create(): Promise<TestChannel> {
    const coming = new Promise<TestChannel>((resolve) => this.#coming.push(resolve))
    if (!this.isSlow) this.open()
    return coming
  }

  /** All that were asked for are open. */
  open(): void {
    for (const resolve of this.#coming.splice(0)) {
      const channel = new TestChannel(this.opened.length + 1)
      this.opened.push(channel)
      resolve(channel)
    }
  }

  async destroy(channel: TestChannel): Promise<void> {
    this.destroyed.push(channel)
  }

  close(): void {
    this.isClosed = true
  }
}

let factory: TestFactory
let channels: ChannelPool

beforeEach(async () => {
  jest.useFakeTimers()
  // Not from 0 on: a time that was added instead of taken off would not be seen.
  jest.advanceTimersByTime(1_000)
  await remake()
})

afterEach(() => {
  jest.useRealTimers()
})

/** A pool whose first channel is open. */
async function remake(settings: Partial<ChannelPoolSettings> = {}): Promise<void> {
  factory = new TestFactory()
  channels = new ChannelPool(factory as unknown as ChannelFactory, { ...SETTINGS, ...settings })
  await turn()
}

async function turn(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0)
}

/** Where a waiter puts what it gets. */
function waiting(): PooledChannel[] {
  const got: PooledChannel[] = []
  channels.wait((channel) => void got.push(channel))
  return got
}

/** The channels that are had by so many who ask together. */
async function taken(count: number): Promise<PooledChannel[]> {
  const got = Array.from({ length: count }, waiting)
  await turn()
  return got.flat()
}

/** The channel as the test's own. */
function own(channel: PooledChannel | undefined): TestChannel {
  return channel as unknown as TestChannel
}

test('a channel is in one pair of hands, and counted there', async () => {
  const [one, other] = await taken(2)
  expect(one).not.toBe(other)
  expect([channels.leased, channels.idle]).toEqual([2, 0])
  channels.give(one as PooledChannel)

  expect([one, other].map((channel) => channels.isLeased(channel as PooledChannel))).toEqual([false, true])
  expect([channels.leased, channels.idle]).toEqual([1, 1])
})

test('whoever takes a channel gets the next that is free', async () => {
  const taking = channels.take()
  await turn()
  expect(channels.leased).toBe(1)
  expect(own(await taking)).toBe(factory.opened[0])
})

test('what was given back last is lent first, so that the others can become idle', async () => {
  const lent = await taken(3)
  for (const channel of lent) channels.give(channel)
  expect(channels.idle).toBe(3)

  expect(await taken(3)).toEqual([...lent].reverse())
})

test('channels that are free are had at once, and none is opened for whoever gave up', async () => {
  for (const channel of await taken(2)) channels.give(channel)
  await jest.advanceTimersByTimeAsync(100)
  const got: PooledChannel[] = []
  const waiter = (channel: PooledChannel) => void got.push(channel)
  channels.wait(waiter)
  expect(channels.idle).toBe(1)
  expect([channels.leave(waiter), channels.leave(waiter)]).toEqual([true, false])
  expect(channels.idle).toBe(2)
  await turn()

  expect(got).toEqual([])
  expect([channels.idle, channels.leased, factory.opened.length]).toEqual([2, 0, 2])
})

test('a channel that is about to come is nobody’s who does not wait', async () => {
  const [held] = await taken(1)
  const got = [waiting(), waiting()]
  expect(channels.idle).toBe(0)
  await turn()

  expect(got.flat()).not.toContain(held)
  expect([channels.idle, channels.leased]).toEqual([0, 3])
})

test('no more channels are opened than may be, and whoever waited longest gets the next that is free', async () => {
  const lent = await taken(3)
  const order: number[] = []
  for (const number of [1, 2]) channels.wait(() => void order.push(number))
  await turn()
  expect([order, factory.opened.length]).toEqual([[], 3])
  for (const channel of lent.slice(0, 2)) channels.give(channel)
  await turn()

  expect(order).toEqual([1, 2])
  expect(channels.leased).toBe(3)
})

test('generic-pool is asked for no more channels than there may be, however many wait', async () => {
  const acquire = jest.spyOn(genericPool.Pool.prototype, 'acquire')
  factory.isSlow = true
  const got = Array.from({ length: 10 }, waiting)
  await turn()
  // One was there; three are on their way, or their places at least.
  expect([got.flat().length, acquire.mock.calls.length]).toEqual([1, 4])
  factory.open()
  await turn()

  expect([got.flat().length, acquire.mock.calls.length]).toEqual([3, 6])
})

test('whether another channel may be opened depends on those that are there', async () => {
  await taken(2)
  expect(channels.canGrow).toBe(true)
  await taken(1)
  expect(channels.canGrow).toBe(false)
})

test('one channel more is opened in the background at a time', async () => {
  await taken(1)
  channels.grow()
  channels.grow()
  await turn()
  expect([factory.opened.length, channels.leased, channels.idle]).toEqual([2, 1, 1])
  await taken(1)
  channels.grow()
  await turn()

  expect([factory.opened.length, channels.leased, channels.idle]).toEqual([3, 2, 1])
})

test('a channel that was just given back is had without waiting, for as long as it is asked for', async () => {
  const [channel] = await taken(1)
  channels.give(channel as PooledChannel)
  await jest.advanceTimersByTimeAsync(49)
  expect(channels.takeNow()).toBe(channel)
  expect([channels.leased, channels.takeNow()]).toEqual([1, undefined])
  channels.give(channel as PooledChannel)
  await jest.advanceTimersByTimeAsync(50)
  expect(channels.takeNow()).toBe(channel)
  channels.give(channel as PooledChannel)
  await jest.advanceTimersByTimeAsync(101)

  expect(channels.takeNow()).toBeUndefined()
  expect([channels.leased, channels.idle]).toEqual([0, 1])
  expect(await taken(1)).toEqual([channel])
})

test('a channel that is given back twice is lent once', async () => {
  const [channel] = await taken(1)
  channels.give(channel as PooledChannel)
  channels.give(channel as PooledChannel)
  const [one, other] = await taken(2)

  expect(one).toBe(channel)
  expect(other).not.toBe(channel)
  expect([channels.leased, channels.idle]).toEqual([2, 0])
})

test('idle channels above minChannels are closed after their time, and minChannels are kept', async () => {
  await remake({ minChannels: 1, idleTimeoutMs: 60 })
  for (const channel of await taken(3)) channels.give(channel)
  await jest.advanceTimersByTimeAsync(60)
  expect(factory.destroyed).toEqual([])
  await jest.advanceTimersByTimeAsync(190)
  expect(factory.destroyed).toHaveLength(2)
  await jest.advanceTimersByTimeAsync(60_000)

  expect(factory.destroyed).toHaveLength(2)
  expect([factory.opened.length, channels.idle]).toEqual([3, 1])
})

test('a dead channel that is given back leaves its place to another', async () => {
  const [channel] = await taken(3)
  own(channel).isUsable = false
  channels.give(channel as PooledChannel)

  expect(own(channel)).toBe(factory.destroyed[0])
  expect([channels.canGrow, channels.idle, channels.takeNow()]).toEqual([true, 0, undefined])
})

test('a channel is replaced once it is older than maxChannelAgeMs, and is given back', async () => {
  await remake({ maxChannelAgeMs: 100 })
  const [channel] = await taken(1)
  await jest.advanceTimersByTimeAsync(100)
  channels.give(channel as PooledChannel)
  expect(channels.takeNow()).toBe(channel)
  await jest.advanceTimersByTimeAsync(1)
  channels.give(channel as PooledChannel)

  expect(own(channel).reasons).toEqual(['maxChannelAgeMs'])
  expect(factory.destroyed).toEqual([own(channel)])
})

test('without maxChannelAgeMs no channel is too old', async () => {
  const [channel] = await taken(1)
  await jest.advanceTimersByTimeAsync(1_000_000)
  channels.give(channel as PooledChannel)
  expect(own(channel).reasons).toEqual([])
})

test('a channel that died as it came is not lent: another is opened for whoever waits', async () => {
  const [first] = factory.opened as [TestChannel]
  const got = waiting()
  first.isUsable = false
  await turn()

  expect(got.map(own)).toEqual([factory.opened[1]])
  expect(factory.destroyed).toEqual([first])
  expect(channels.leased).toBe(1)
})

test('a channel that died at hand is not lent, and leaves its place to another', async () => {
  const [channel] = await taken(3)
  channels.give(channel as PooledChannel)
  own(channel).isUsable = false

  expect(channels.takeNow()).toBeUndefined()
  expect(factory.destroyed).toEqual([own(channel)])
  expect([channels.canGrow, channels.leased]).toEqual([true, 2])
})

test('channels that died leave their places, in whosever hands they were, and those that live stay', async () => {
  await remake({ maxChannels: 4 })
  const [held, dead, idle, atHand] = (await taken(4)) as [PooledChannel, PooledChannel, PooledChannel, PooledChannel]
  for (const channel of [dead, idle, atHand]) channels.give(channel)
  for (const channel of [dead, held]) {
    own(channel).isUsable = false
    channels.drop(channel)
    await turn()
  }
  expect(factory.destroyed).toEqual([dead, held].map(own))
  expect([channels.leased, channels.idle, factory.opened.length]).toEqual([0, 2, 4])
  expect(await taken(2)).toEqual([atHand, idle])

  channels.give(atHand)
  own(atHand).isUsable = false
  channels.drop(atHand)
  await turn()
  expect(channels.takeNow()).toBeUndefined()
  expect(factory.destroyed).toEqual([dead, held, atHand].map(own))
  expect([channels.leased, channels.idle]).toEqual([1, 0])
})

test('what is kept open is opened again when it died', async () => {
  const [first] = factory.opened as [TestChannel]
  first.isUsable = false
  channels.drop(first as never)
  await turn()

  expect([factory.opened.length, channels.idle]).toEqual([2, 1])
  expect(factory.destroyed).toEqual([first])
})

test('a closed pool lends nothing, not even what was on its way, and asks for nothing', async () => {
  await taken(1)
  factory.isSlow = true
  const before = waiting()
  channels.close()
  const after = waiting()
  const acquire = jest.spyOn(genericPool.Pool.prototype, 'acquire')
  factory.open()
  await turn()
  channels.drop(factory.opened[1] as never)

  expect([before, after]).toEqual([[], []])
  expect([channels.leased, channels.idle]).toEqual([0, 0])
  expect(acquire).not.toHaveBeenCalled()
  expect(factory.isClosed).toBe(true)
})

test('a closed pool lets go of everything, and keeps no timer', async () => {
  const [channel] = await taken(2)
  channels.give(channel as PooledChannel)
  channels.close()
  await turn()

  expect([channels.leased, channels.idle, jest.getTimerCount()]).toEqual([0, 0, 0])
  expect(factory.destroyed).toHaveLength(1)
})

test('what is given back to a closed pool is lent no more', async () => {
  const [channel] = await taken(1)
  channels.close()
  channels.give(channel as PooledChannel)
  await turn()

  expect([channels.takeNow(), channels.idle, jest.getTimerCount()]).toEqual([undefined, 0, 0])
})
