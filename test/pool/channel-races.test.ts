import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { ChannelFactory, PooledChannel } from '../../lib/pool/channel-factory.ts'
import { ChannelPool } from '../../lib/pool/channel-pool.ts'

const MAX_CHANNELS = 3
const SETTINGS = { minChannels: 1, maxChannels: MAX_CHANNELS, idleTimeoutMs: 60_000, maxChannelAgeMs: 0 }

/** A channel that can be used until it dies. */
interface Channel {
  isUsable: boolean
  retire(): void
}

/** Opens channels when the scheduler says so, and counts those that are open. */
class ScheduledFactory {
  mostOpen = 0
  readonly #scheduler: fc.Scheduler
  readonly #open = new Set<Channel>()

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler
  }

  async create(): Promise<Channel> {
    await this.#scheduler.schedule(Promise.resolve(), 'a channel opens')
    const channel: Channel = { isUsable: true, retire: () => this.lose(channel) }
    this.#open.add(channel)
    this.mostOpen = Math.max(this.mostOpen, this.#open.size)
    return channel
  }

  async destroy(channel: Channel): Promise<void> {
    await this.#scheduler.schedule(Promise.resolve(), 'a channel closes')
    this.lose(channel)
  }

  lose(channel: Channel): void {
    channel.isUsable = false
    this.#open.delete(channel)
  }

  close(): void {}
}

/** What somebody who needs a channel does. */
const caller = fc.record({
  /** Asks for it, and may give up waiting. */
  givesUp: fc.boolean(),
  /** Whether the channel dies in its hands. */
  loses: fc.boolean(),
  /** Gives it back twice. */
  givesTwice: fc.boolean(),
})

test('however channels open and callers come and go, nobody shares a channel and nobody is forgotten', async () => {
  const property = fc.asyncProperty(
    fc.scheduler(),
    fc.array(caller, { minLength: 1, maxLength: 12 }),
    async (scheduler, callers) => {
      const factory = new ScheduledFactory(scheduler)
      const channels = new ChannelPool(factory as unknown as ChannelFactory, SETTINGS)
      const held = new Set<PooledChannel>()
      const turn = (label: string) => scheduler.schedule(Promise.resolve(), label)

      /** A channel; nothing when the caller gave up before its turn. */
      const asked = (givesUp: boolean) => {
        return new Promise<PooledChannel | undefined>((resolve) => {
          channels.wait(resolve)
          if (givesUp) void turn('gives up').then(() => channels.leave(resolve) && resolve(undefined))
        })
      }
      const calls = callers.map(async ({ givesUp, loses, givesTwice }) => {
        await turn('asks')
        const channel = await asked(givesUp)
        if (channel === undefined) return
        expect(channel.isUsable).toBe(true)
        expect(held.has(channel)).toBe(false)
        held.add(channel)
        expect(channels.isLeased(channel)).toBe(true)
        await turn('works')
        held.delete(channel)
        if (loses) {
          factory.lose(channel as unknown as Channel)
          channels.drop(channel)
        }
        channels.give(channel)
        if (givesTwice && !channels.isLeased(channel)) channels.give(channel)
      })

      await scheduler.waitFor(Promise.all(calls))
      await scheduler.waitIdle()
      expect(channels.leased).toBe(0)
      expect(factory.mostOpen).toBeLessThanOrEqual(MAX_CHANNELS)
      channels.close()
    },
  )
  await fc.assert(property, { numRuns: 300 })
})
