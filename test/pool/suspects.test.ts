import { beforeEach, expect, test } from '@jest/globals'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import type { ChannelPool } from '../../lib/pool/channel-pool.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'
import { Suspects } from '../../lib/pool/suspects.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
/** What happened, in order. */
let steps: string[]
let queue: PublishQueue
let suspects: Suspects
let settle: () => void

beforeEach(() => {
  steps = []
  settle = () => {}
  queue = new PublishQueue({ waiting: 0 })
  suspects = new Suspects(queue, (_, { body }) => void steps.push(`write ${body}`))
})

function publishes(...bodies: string[]): PendingPublish[] {
  return bodies.map((body) => new PendingPublish(template, [], body, undefined))
}

/** A channel that is empty when nothing was written to it, and after that when the test says so. */
function channelWith(room: number, isUsable = true): PooledChannel {
  return {
    room,
    isUsable,
    flush: () => void steps.push('flush'),
    whenEmpty: () => {
      if (steps.at(-1) !== 'flush') return Promise.resolve()
      return new Promise<void>((resolve) => {
        settle = resolve
      })
    },
    whenRelieved: async () => void steps.push('relieved'),
  } as unknown as PooledChannel
}

/** Gives these channels, one after the other. */
function lending(...channels: PooledChannel[]): ChannelPool {
  return {
    take: async () => {
      steps.push('take')
      return channels.length > 1 ? channels.shift() : channels[0]
    },
    give: () => void steps.push('give'),
  } as unknown as ChannelPool
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

test('each is sent alone, and the next when the one before has its answer', async () => {
  suspects.add(publishes('a', 'b'), lending(channelWith(1)))
  await turn()
  expect(steps).toEqual(['take', 'write a', 'flush'])
  settle()
  await turn()
  expect(steps).toEqual(['take', 'write a', 'flush', 'give', 'take', 'write b', 'flush'])
  settle()
  await turn()

  expect(steps.slice(-2)).toEqual(['flush', 'give'])
  expect(queue.length).toBe(0)
})

test('each is known as a suspect from then on', () => {
  const added = publishes('a', 'b')
  suspects.add(added, lending(channelWith(1)))
  expect(added.map(({ isSuspect }) => isSuspect)).toEqual([true, true])
})

test('those that come while others are sent go before them, and still one by one', async () => {
  const channels = lending(channelWith(1))
  suspects.add(publishes('a', 'd'), channels)
  await turn()
  suspects.add(publishes('b', 'c'), channels)
  await turn()
  expect(steps).toEqual(['take', 'write a', 'flush'])
  for (let times = 0; times < 4; times++) {
    settle()
    await turn()
  }

  expect(steps.filter((step) => step.startsWith('write'))).toEqual(['write a', 'write b', 'write c', 'write d'])
  expect(steps.filter((step) => step === 'take')).toHaveLength(4)
})

test('those that come after all is over are sent too', async () => {
  const channels = lending(channelWith(1))
  for (const body of ['a', 'b']) {
    suspects.add(publishes(body), channels)
    await turn()
    settle()
    await turn()
  }

  expect(steps.filter((step) => step.startsWith('write'))).toEqual(['write a', 'write b'])
})

test('a channel without room is waited for, and the message is not lost over it', async () => {
  suspects.add(publishes('a'), lending(channelWith(0), channelWith(1)))
  await turn()

  expect(steps).toEqual(['take', 'relieved', 'give', 'take', 'write a', 'flush'])
})

test('a dead channel is given back at once, and another is taken', async () => {
  suspects.add(publishes('a'), lending(channelWith(0, false), channelWith(1)))
  await turn()

  expect(steps).toEqual(['take', 'give', 'take', 'write a', 'flush'])
})

test('what was settled as it waited is not sent, and keeps no channel', async () => {
  const [publish] = publishes('a') as [PendingPublish]
  suspects.add([publish], lending(channelWith(1)))
  publish.isSettled = true
  publish.place?.noteSettled()
  await turn()

  expect(steps).toEqual(['take', 'give'])
})
