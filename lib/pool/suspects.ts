import type { PooledChannel } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { PublishQueue } from './publish-queue.ts'

/**
 * Messages of which one, nobody knows which, made the broker close a channel. They are sent one by one, each
 * alone on a channel: the one that the broker refuses again is the guilty one.
 */
export class Suspects {
  readonly #queue: PublishQueue
  readonly #write: (channel: PooledChannel, publish: PendingPublish) => void
  #isRunning = false

  constructor(queue: PublishQueue, write: (channel: PooledChannel, publish: PendingPublish) => void) {
    this.#queue = queue
    this.#write = write
  }

  add(publishes: readonly PendingPublish[], channels: ChannelPool): void {
    for (const publish of publishes) publish.isSuspect = true
    this.#queue.pushFront(publishes)
    if (!this.#isRunning) void this.#run(channels)
  }

  async #run(channels: ChannelPool): Promise<void> {
    this.#isRunning = true
    while (this.#queue.length > 0) {
      const channel = await channels.take()
      await this.#sendOne(channel)
      channels.give(channel)
    }
    this.#isRunning = false
  }

  async #sendOne(channel: PooledChannel): Promise<void> {
    await channel.whenEmpty()
    const publish = channel.room > 0 ? this.#queue.shift() : undefined
    if (publish !== undefined) {
      this.#write(channel, publish)
      channel.flush()
      await channel.whenEmpty()
    } else if (channel.isUsable && this.#queue.length > 0) {
      // With nothing to write, nothing would ever relieve the channel.
      await channel.whenRelieved()
    }
  }
}
