import { isSuspicion } from '../amqp/channel-errors.ts'
import type { ChannelOwner } from '../amqp/confirm-channel.ts'
import type { PooledProducerError } from '../errors.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { Dispatcher } from './dispatcher.ts'
import { doubtful, isInDoubt } from './doubt.ts'
import { NackPolicy } from './nack-policy.ts'
import { Pauses } from './pauses.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { PublishLog } from './publish-log.ts'
import { mayResend, pauseMsOf, resendable } from './resending.ts'
import type { Settlement } from './settlement.ts'
import type { Counters } from './stats.ts'
import { Suspects } from './suspects.ts'

/** What the arbiter asks of its pool. */
export interface ArbiterHost {
  /** The lease that a channel is in, woken when the channel has room again. */
  relieved(channel: PooledChannel): void
  closed(channel: PooledChannel): void
  /** What the pool declared at this place is gone; false when it declared nothing there. */
  forget(exchange: string, routingKey: string): boolean
}

/**
 * Hears what the channels tell, and judges what it means for a publish: that is its outcome, or a fault has left it open
 * and it is sent again.
 */
export class Arbiter implements ChannelOwner<PendingPublish> {
  readonly #dispatcher: Dispatcher
  readonly #channels: () => ChannelPool
  readonly #host: ArbiterHost
  readonly #counters: Counters
  readonly #settlement: Settlement
  readonly #log: PublishLog
  readonly #suspects: Suspects
  readonly #pauses: Pauses
  readonly #nacks = new NackPolicy()

  constructor(
    dispatcher: Dispatcher,
    channels: () => ChannelPool,
    host: ArbiterHost,
    counters: Counters,
    settlement: Settlement,
    log: PublishLog,
  ) {
    this.#dispatcher = dispatcher
    this.#channels = channels
    this.#host = host
    this.#counters = counters
    this.#settlement = settlement
    this.#log = log
    this.#pauses = new Pauses((publishes) => dispatcher.adopt(publishes))
    this.#suspects = new Suspects(dispatcher.newQueue(), (channel, publish) =>
      dispatcher.write(channel, publish, performance.now()),
    )
  }

  confirmed(publish: PendingPublish, confirmMs: number, channel: PooledChannel): void {
    this.#settlement.confirm(publish, confirmMs, channel)
  }

  refused(publish: PendingPublish, error: PooledProducerError, channel: PooledChannel): void {
    if (publish.isSettled) return
    if (error.code === 'ERR_UNROUTABLE') this.#countReturn(publish, error)
    else if (isMissingExchange(error)) this.#declareAgain(publish, error)
    const isNack = error.code === 'ERR_NACKED' && mayResend(publish)
    const pauseMs = isNack ? this.#nacks.judge(publish, channel) : undefined
    if (pauseMs === undefined)
      return this.#settlement.fail(publish, isInDoubt(publish, error) ? doubtful(error) : error)
    this.#counters.retries++
    this.#log.retried([publish], error)
    this.#pauses.hold(publish, Math.max(pauseMs, pauseMsOf(publish)))
  }

  orphaned(publishes: PendingPublish[], error: PooledProducerError): void {
    const unsettled = publishes.filter((publish) => !publish.isSettled)
    const open = resendable(unsettled, error, this.#settlement)
    this.#counters.retries += open.length
    this.#log.retried(open, error)
    if (isSuspicion(error)) return this.#suspects.add(open, this.#channels())
    for (const publish of open) publish.isInDoubt = true
    this.#dispatcher.adopt(open.filter((publish) => pauseMsOf(publish) === 0))
    for (const publish of open) {
      const pauseMs = pauseMsOf(publish)
      if (pauseMs > 0) this.#pauses.hold(publish, pauseMs)
    }
  }

  relieved(channel: PooledChannel): void {
    this.#host.relieved(channel)
    this.#dispatcher.wake()
  }

  closed(channel: PooledChannel): void {
    this.#host.closed(channel)
  }

  #countReturn(publish: PendingPublish, error: PooledProducerError): void {
    this.#counters.returns++
    this.#declareAgain(publish, error)
  }

  /** Declared by the pool, it is declared again by the next publish, which can work then. */
  #declareAgain({ template }: PendingPublish, error: PooledProducerError): void {
    const { exchange, routingKey } = template.fields
    if (this.#host.forget(exchange, routingKey)) Object.assign(error, { retryable: true })
  }
}

/** AMQP's reply code for something that does not exist. */
const NOT_FOUND = 404

/** The broker closes the channel over such a message, and its reason is the cause. */
function isMissingExchange({ cause }: PooledProducerError): boolean {
  return (cause as { code?: unknown } | undefined)?.code === NOT_FOUND
}
