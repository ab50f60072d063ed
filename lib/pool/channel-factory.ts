import { backoffMs } from '../amqp/backoff.ts'
import { Bell } from '../amqp/bell.ts'
import { type ChannelOwner, type ChannelSettings, ConfirmChannel } from '../amqp/confirm-channel.ts'
import type { Connection } from '../amqp/connection.ts'
import type { EventLog } from '../observe/log.ts'
import { ChannelCapacity } from './channel-capacity.ts'
import type { Declarations } from './declarations.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { Counters } from './stats.ts'

/** A channel of this pool. */
export type PooledChannel = ConfirmChannel<PendingPublish>

export interface FactorySettings extends ChannelSettings {
  readonly maxChannels: number
}

/**
 * Opens channels for generic-pool, on the connection with the fewest. It never fails: generic-pool calls a
 * factory that failed again at once, without end and without a turn of the event loop between. Where no
 * channel can be opened it waits, and those who wait for the pool have deadlines of their own.
 */
export class ChannelFactory {
  /** Why the last attempt failed. */
  lastError: Error | undefined
  readonly #connections: readonly Connection[]
  readonly #owner: ChannelOwner<PendingPublish>
  readonly #settings: FactorySettings
  readonly #capacity: ChannelCapacity
  readonly #declarations: Declarations
  readonly #counters: Counters
  readonly #log: EventLog
  readonly #opened: (channel: PooledChannel) => void
  readonly #open = new Set<PooledChannel>()
  readonly #opening = new Map<Connection, number>()
  readonly #chance = new Bell()
  #lastId = 0
  #isClosed = false
  #isSlowPathKnown = false

  constructor(
    connections: readonly Connection[],
    owner: ChannelOwner<PendingPublish>,
    settings: FactorySettings,
    declarations: Declarations,
    counters: Counters,
    log: EventLog,
    opened: (channel: PooledChannel) => void,
  ) {
    this.#connections = connections
    this.#owner = owner
    this.#settings = settings
    this.#declarations = declarations
    this.#counters = counters
    this.#log = log
    this.#opened = opened
    this.#capacity = new ChannelCapacity(settings.maxChannels, (reason) => log.write('pool.warning', { reason }))
  }

  /** The channels that are open. */
  get open(): ReadonlySet<PooledChannel> {
    return this.#open
  }

  /** Messages that are written and not confirmed. */
  get inFlight(): number {
    let count = 0
    for (const channel of this.#open) count += channel.inFlight
    return count
  }

  /** The broker reads again from a connection. */
  relieve(connection: Connection): void {
    for (const channel of this.#open) if (channel.connection === connection) channel.wake()
  }

  /** A channel was closed. */
  forget(channel: PooledChannel): void {
    this.#open.delete(channel)
    this.#counters.channelsClosed++
    const { id, connection, publishes, leases, openedAt, closeReason: reason } = channel
    const lifetimeMs = performance.now() - openedAt
    this.#log.write('channel.close', { channel: id, connection: connection.id, publishes, leases, lifetimeMs, reason })
    // Where no more were allowed, there is room for one.
    this.wake()
  }

  /** A connection was opened, or a channel was closed: who waited tries again. */
  wake(): void {
    this.#chance.ring()
  }

  /** Nothing is opened from now on: who waits gets a channel that is dead already. */
  close(): void {
    this.#isClosed = true
    this.wake()
  }

  /** For generic-pool: a new channel, whenever that is possible. */
  async create(): Promise<PooledChannel> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#connection()
      if (connection === undefined) return DEAD
      const openBefore = this.#open.size
      try {
        return await this.#openOn(connection)
      } catch (error) {
        this.lastError = error as Error
        this.#capacity.refused(connection.lastError, openBefore)
        await delay(backoffMs(attempt))
      } finally {
        this.#count(connection, -1)
        this.wake()
      }
    }
  }

  /** For generic-pool: it holds the place no longer, and the channel closes once its messages are settled. */
  async destroy(channel: PooledChannel): Promise<void> {
    channel.retire('idle')
  }

  async #openOn(connection: Connection): Promise<PooledChannel> {
    const startedAt = performance.now()
    const raw = await this.#declarations.restore(connection)
    const channel = new ConfirmChannel(++this.#lastId, raw, connection, this.#owner, this.#settings)
    this.#open.add(channel)
    this.#counters.channelsOpened++
    this.#log.write('channel.open', {
      channel: channel.id,
      connection: connection.id,
      openMs: performance.now() - startedAt,
    })
    if (this.#settings.fastPath && !channel.isFast) this.#warnOfSlowPath()
    this.lastError = undefined
    this.#opened(channel)
    return channel
  }

  /** Once: every channel of this process is in the same case. */
  #warnOfSlowPath(): void {
    if (this.#isSlowPathKnown) return
    this.#isSlowPathKnown = true
    const reason =
      "amqplib's publish was replaced (by a tracer?) or amqplib is not built as expected: messages go through " +
      'its public publish, with the same promises, at about five times the CPU'
    this.#log.write('pool.warning', { reason })
  }

  /** The open connection with the fewest channels, as soon as one may have another; nothing once the pool is closed. */
  async #connection(): Promise<Connection | undefined> {
    for (;;) {
      if (this.#isClosed) return undefined
      const [best] = this.#connections
        .filter((connection) => connection.isOpen && this.#hasRoom(connection))
        .sort((a, b) => this.#channelsOn(a) - this.#channelsOn(b))
      if (best !== undefined) {
        // Before anybody else chooses: channels are often opened several at once.
        this.#count(best, 1)
        return best
      }
      await this.#chance.next()
    }
  }

  #hasRoom(connection: Connection): boolean {
    const { channelMax = Number.POSITIVE_INFINITY } = connection
    this.#capacity.agreed(channelMax, this.#connections.length)
    const all = this.#connections.reduce((sum, each) => sum + this.#channelsOn(each), 0)
    return all < this.#capacity.most && this.#channelsOn(connection) < channelMax
  }

  #count(connection: Connection, opening: number): void {
    this.#opening.set(connection, (this.#opening.get(connection) ?? 0) + opening)
  }

  /** Those that are being opened count too. */
  #channelsOn(connection: Connection): number {
    let count = this.#opening.get(connection) ?? 0
    for (const channel of this.#open) if (channel.connection === connection) count++
    return count
  }
}

/** What generic-pool gets from a closed pool, so that its own waiters end: it can only be thrown away. */
const DEAD = Object.freeze({ isUsable: false, retire: () => {} }) as unknown as PooledChannel

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
