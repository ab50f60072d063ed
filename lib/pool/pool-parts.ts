import type { PooledProducerError } from '../errors.ts'
import { EventHub } from '../observe/event-hub.ts'
import { EventLog } from '../observe/log.ts'
import type { EffectivePoolOptions } from '../options.ts'
import { Arbiter } from './arbiter.ts'
import { ChannelFactory, type PooledChannel } from './channel-factory.ts'
import { ChannelPool } from './channel-pool.ts'
import { ConnectionSet, type Obstacle, repeated } from './connection-set.ts'
import { type Declaration, Declarations } from './declarations.ts'
import { Dispatcher } from './dispatcher.ts'
import { Leases } from './leases.ts'
import { POOL_EVENTS, type PoolEvents } from './pool-events.ts'
import { PublishLog } from './publish-log.ts'
import { outcomeOf, Settlement } from './settlement.ts'
import { closedPool, type Parts } from './shutdown.ts'
import { Counters, type PoolStats } from './stats.ts'
import { Subscriptions } from './subscriptions.ts'

/** What the parts ask of the pool that they make up. */
export interface PartsHost {
  /** Whether it takes no more work. */
  isClosing(): boolean
  stats(): PoolStats
}

/** The parts of one pool, put together: each is told what it must know of the others. */
export class PoolParts implements Parts {
  readonly log: EventLog
  readonly events: EventHub<PoolEvents>
  readonly counters: Counters = new Counters()
  readonly connections: ConnectionSet
  readonly subscriptions: Subscriptions
  readonly settlement: Settlement
  readonly dispatcher: Dispatcher
  readonly factory: ChannelFactory
  readonly channels: ChannelPool
  readonly leases: Leases
  readonly #declarations: Declarations
  readonly #host: PartsHost

  constructor(options: EffectivePoolOptions, host: PartsHost) {
    this.#host = host
    this.log = new EventLog(options.logger, options.name)
    this.events = new EventHub(this.log, 'a pool', POOL_EVENTS)
    this.connections = new ConnectionSet(options, this.log, this.events, {
      opened: () => {
        this.factory.wake()
        this.subscriptions.wake()
      },
      unblocked: (connection) => this.factory.relieve(connection),
      refused: (error) => {
        this.leases.rejectAll(() => repeated(error))
        this.settlement.failAll((publish) => repeated(error, outcomeOf(publish)))
      },
    })
    this.subscriptions = new Subscriptions(this.connections.consuming, this.log)
    this.#declarations = new Declarations((reason) => this.log.write('pool.warning', { reason }))
    const publishLog = new PublishLog(this.log)
    this.settlement = new Settlement(this.counters, publishLog, () => this.#obstacle())
    this.dispatcher = new Dispatcher(
      () => this.channels,
      {
        refusal: () => this.#refusal() ?? this.connections.outage(),
        declare: (declaration) => this.#declare(declaration),
      },
      options,
      this.counters,
      this.settlement,
      publishLog,
    )
    const arbiter = new Arbiter(
      this.dispatcher,
      () => this.channels,
      {
        relieved: (channel) => this.leases.wake(channel),
        closed: (channel) => this.#channelClosed(channel),
        forget: (exchange, routingKey) => this.#declarations.forget(exchange, routingKey),
      },
      this.counters,
      this.settlement,
      publishLog,
    )
    this.factory = new ChannelFactory(
      this.connections.all,
      arbiter,
      options,
      this.#declarations,
      this.counters,
      this.log,
      (channel) => this.#channelOpened(channel),
    )
    this.channels = new ChannelPool(this.factory, options)
    this.leases = new Leases(
      this.channels,
      this.dispatcher,
      this.#declarations,
      {
        refusal: () => this.#refusal(),
        connections: this.connections,
        lastError: () => this.connections.lastError ?? this.factory.lastError,
        stats: () => host.stats(),
      },
      options,
      this.counters,
      this.log,
    )
  }

  #declare(declaration: Declaration): Promise<void> {
    return this.#declarations.once(declaration, async (run) => {
      const channel = await this.channels.take()
      await run(channel)
      this.leases.giveBack(channel)
    })
  }

  #channelOpened(channel: PooledChannel): void {
    this.dispatcher.keepsContext = !channel.isFast
    this.leases.channelOpened()
    this.dispatcher.wake()
  }

  #channelClosed(channel: PooledChannel): void {
    this.factory.forget(channel)
    this.leases.wake(channel)
    this.channels.drop(channel)
    this.dispatcher.wake()
  }

  #refusal(): PooledProducerError | undefined {
    return this.#host.isClosing() ? closedPool('the pool is closed') : this.connections.refusal('not-sent')
  }

  #obstacle(): Obstacle {
    const { leased, idle, waiting } = this.#host.stats()
    const reason = `${leased} channels leased, ${idle} idle, ${waiting} waiting`
    return this.connections.obstacle({ code: 'ERR_PUBLISH_TIMEOUT', reason, cause: this.factory.lastError })
  }
}
