import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { ChannelOwner } from '../../lib/amqp/confirm-channel.ts'
import type { Connection, RawChannel } from '../../lib/amqp/connection.ts'
import { EventLog } from '../../lib/observe/log.ts'
import { ChannelFactory, type PooledChannel } from '../../lib/pool/channel-factory.ts'
import type { Declarations } from '../../lib/pool/declarations.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { Counters } from '../../lib/pool/stats.ts'
import { ScriptedChannel } from '../amqp/scripted-channel.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const SETTINGS = { maxChannels: 8, maxInFlight: 10, confirmTimeoutMs: 5_000, fastPath: true }
/** RabbitMQ's when a user has all channels that it may have. */
const TOO_MANY = Object.assign(new Error('NOT_ALLOWED - number of channels opened for the user'), { code: 530 })

/** As much of a connection as a factory looks at. */
interface TestConnection {
  readonly id: number
  isOpen: boolean
  isBlocked: boolean
  channelMax: number | undefined
  lastError: Error | undefined
}

let counters: Counters
let log: RecordedLog
/** The numbers of the channels that were told of, by what was told. */
let opened: number[]
let relieved: number[]
/** Opens a channel, as the broker does. */
let restore: (connection: Connection) => Promise<RawChannel>

beforeEach(() => {
  jest.useFakeTimers()
  // Not from 0 on: a time that was added instead of taken off would not be seen.
  jest.advanceTimersByTime(1_000)
  // No random part is taken off the pauses.
  jest.spyOn(Math, 'random').mockReturnValue(1)
  counters = new Counters()
  log = new RecordedLog()
  opened = []
  relieved = []
  restore = async () => new ScriptedChannel().raw
})

afterEach(() => {
  jest.useRealTimers()
})

/** Connections that are open, and may have any number of channels. */
function connectionsOf(count: number): TestConnection[] {
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    isOpen: true,
    isBlocked: false,
    channelMax: undefined,
    lastError: undefined,
  }))
}

function factoryOn(
  connections: readonly TestConnection[],
  settings: Partial<typeof SETTINGS> = {},
  hear: (channel: PooledChannel) => void = ({ id }) => void opened.push(id),
): ChannelFactory {
  return new ChannelFactory(
    connections as unknown as Connection[],
    { relieved: ({ id }: PooledChannel) => void relieved.push(id) } as ChannelOwner<PendingPublish>,
    { ...SETTINGS, ...settings },
    { restore: (connection: Connection) => restore(connection) } as Declarations,
    counters,
    new EventLog(log, 'shop'),
    hear,
  )
}

/** So many channels, asked for at the same time. */
function createMany(factory: ChannelFactory, count: number): Promise<PooledChannel[]> {
  return Promise.all(Array.from({ length: count }, () => factory.create()))
}

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.finally(() => {
    settled = true
  })
  await jest.advanceTimersByTimeAsync(0)
  return settled
}

test('each channel is opened on the connection with the fewest, of which those being opened count too', async () => {
  const factory = factoryOn(connectionsOf(3))
  const channels = await createMany(factory, 6)
  expect(channels.map(({ connection }) => connection.id)).toEqual([1, 2, 3, 1, 2, 3])
  expect(factory.open).toEqual(new Set(channels))
  factory.forget(channels[1] as PooledChannel)

  expect((await factory.create()).connection.id).toBe(2)
})

test('a channel that is opened is counted, logged with the time that it took, and told of', async () => {
  restore = async () => {
    jest.advanceTimersByTime(30)
    return new ScriptedChannel().raw
  }
  await factoryOn(connectionsOf(1)).create()

  expect(counters.channelsOpened).toBe(1)
  expect(log.records).toMatchObject([{ event: 'channel.open', channel: 1, connection: 1, openMs: 30 }])
  expect(opened).toEqual([1])
})

test('a channel that was closed is counted, and logged with what it did in its life', async () => {
  const factory = factoryOn(connectionsOf(1))
  const channel = await factory.create()
  Object.assign(channel, { publishes: 5, leases: 2, closeReason: 'cut' })
  jest.advanceTimersByTime(50)
  factory.forget(channel)

  expect(factory.open.size).toBe(0)
  expect(counters.channelsClosed).toBe(1)
  expect(log.of('channel.close')).toMatchObject([
    { channel: 1, connection: 1, publishes: 5, leases: 2, lifetimeMs: 50, reason: 'cut' },
  ])
})

test('while no connection is open whoever asks waits for one that is', async () => {
  const [connection] = connectionsOf(1) as [TestConnection]
  connection.isOpen = false
  const factory = factoryOn([connection])
  const creating = factory.create()
  factory.wake()
  expect(await isSettled(creating)).toBe(false)
  connection.isOpen = true
  factory.wake()

  expect((await creating).id).toBe(1)
})

test('a channel counts for maxChannels until it is closed, and then the next is opened', async () => {
  const factory = factoryOn(connectionsOf(1), { maxChannels: 2 })
  const [channel] = (await createMany(factory, 2)) as [PooledChannel]
  const next = factory.create()
  expect(await isSettled(next)).toBe(false)
  factory.forget(channel)

  expect((await next).id).toBe(3)
})

test('no connection gets more channels than were agreed on, which is said once', async () => {
  const connections = connectionsOf(2)
  for (const connection of connections) connection.channelMax = 1
  const factory = factoryOn(connections)
  const channels = await createMany(factory, 2)
  const next = factory.create()
  expect(await isSettled(next)).toBe(false)
  expect(channels.map(({ connection }) => connection.id)).toEqual([1, 2])
  expect(log.of('pool.warning')).toMatchObject([{ reason: expect.stringContaining('the pool keeps to 2') }])
  factory.forget(channels[1] as PooledChannel)

  expect((await next).connection.id).toBe(2)
})

test('a channel that is asked for as another is told of has a place of its own', async () => {
  const others: Promise<PooledChannel>[] = []
  const factory: ChannelFactory = factoryOn(connectionsOf(1), { maxChannels: 2 }, () => {
    if (others.length === 0) others.push(factory.create())
  })
  await factory.create()

  expect(await isSettled(Promise.all(others))).toBe(true)
  expect([...factory.open].map(({ id }) => id)).toEqual([1, 2])
})

test('where a channel cannot be opened it is tried again, after pauses that grow, for as long as need be', async () => {
  const attempts: number[] = []
  const cut = new Error('cut')
  restore = async () => {
    attempts.push(performance.now() - startedAt)
    if (attempts.length < 4) throw cut
    return new ScriptedChannel().raw
  }
  const factory = factoryOn(connectionsOf(1), { maxChannels: 1 })
  const startedAt = performance.now()
  const creating = factory.create()
  await jest.advanceTimersByTimeAsync(600)
  expect(factory.lastError).toBe(cut)
  await jest.advanceTimersByTimeAsync(100)
  await creating

  expect(attempts).toEqual([0, 100, 300, 700])
  expect(factory.lastError).toBeUndefined()
})

test('where the broker allows no more channels the pool keeps to those that it has, and says so', async () => {
  const [connection] = connectionsOf(1) as [TestConnection]
  const factory = factoryOn([connection], { maxChannels: 4 })
  const [channel] = (await createMany(factory, 2)) as [PooledChannel]
  restore = async () => {
    connection.lastError = TOO_MANY
    throw new Error('the channel was lost')
  }
  const next = factory.create()
  await jest.advanceTimersByTimeAsync(50)
  expect(log.of('pool.warning')).toMatchObject([{ reason: expect.stringContaining('keeps to 2 instead of 4') }])
  restore = async () => new ScriptedChannel().raw
  await jest.advanceTimersByTimeAsync(10_000)
  expect(opened).toEqual([1, 2])
  factory.forget(channel)

  expect((await next).id).toBe(3)
})

test('from a closed factory whoever waits gets what can only be thrown away, and so does whoever asks later', async () => {
  const [connection] = connectionsOf(1) as [TestConnection]
  connection.isOpen = false
  const factory = factoryOn([connection])
  const waiting = factory.create()
  factory.close()
  connection.isOpen = true

  for (const dead of [await waiting, await factory.create()]) {
    expect(dead.isUsable).toBe(false)
    await factory.destroy(dead)
  }
  expect(counters).toMatchObject({ channelsOpened: 0 })
})

test('what is in flight is counted over all channels', async () => {
  const factory = factoryOn(connectionsOf(1))
  const [one, other] = (await createMany(factory, 2)) as [PooledChannel, PooledChannel]
  for (const channel of [one, one, other]) {
    channel.write(new PendingPublish(template, [], '', undefined), performance.now())
  }

  expect(factory.inFlight).toBe(3)
})

test('a connection that is read from again has its channels filled, and no others', async () => {
  const connections = connectionsOf(2)
  const factory = factoryOn(connections)
  await createMany(factory, 4)
  factory.relieve(connections[1] as unknown as Connection)

  expect(relieved).toEqual([2, 4])
})

test('a channel that is idle for long is retired', async () => {
  const factory = factoryOn(connectionsOf(1))
  const channel = await factory.create()
  await factory.destroy(channel)

  expect(channel).toMatchObject({ isUsable: false, closeReason: 'idle' })
})

test('channels on which frames cannot be made ahead are warned of once, and not where nobody wants that', async () => {
  restore = async () => Object.assign(new ScriptedChannel().raw, { publish: () => true })
  await createMany(factoryOn(connectionsOf(1), { fastPath: false }), 2)
  expect(log.of('pool.warning')).toEqual([])
  await createMany(factoryOn(connectionsOf(1)), 2)

  expect(log.of('pool.warning').map(({ reason }) => reason)).toEqual([
    "amqplib's publish was replaced (by a tracer?) or amqplib is not built as expected: messages go through its " +
      'public publish, with the same promises, at about five times the CPU',
  ])
})

test('channels on which frames are made ahead are not warned of', async () => {
  await factoryOn(connectionsOf(1)).create()
  expect(log.of('pool.warning')).toEqual([])
})
