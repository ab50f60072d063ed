import { withTimeLimit } from '../amqp/time-limit.ts'
import { PooledProducerError } from '../errors.ts'
import type { ChannelFactory } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { ConnectionSet } from './connection-set.ts'
import type { Leases } from './leases.ts'
import { outcomeOf, type Settlement } from './settlement.ts'
import type { Counters } from './stats.ts'
import type { Subscriptions } from './subscriptions.ts'

/**
 * What became of the publishes that were open when `close` was called. A task is told by its id, another message by
 * its `messageId`, and by an empty text where it has none.
 */
export interface CloseReport {
  readonly confirmed: number
  /** Those that were written, and whose confirm did not come in time. */
  readonly unknown: readonly string[]
  /** Those that were never written. */
  readonly notSent: readonly string[]
}

/** A close that the broker does not answer in this time is not waited for, however long the pool's own may take. */
const LONGEST_CLOSE_MS = 2_000
/** So long it is waited for even when the pool's time is up. */
const SHORTEST_CLOSE_MS = 200

/** What is shut down, from the callers to the sockets. */
export interface Parts {
  readonly leases: Leases
  readonly subscriptions: Subscriptions
  readonly settlement: Settlement
  readonly channels: ChannelPool
  readonly factory: ChannelFactory
  readonly connections: ConnectionSet
  readonly counters: Counters
}

/** Waits for what was accepted, gives the rest its outcome, and closes everything, all in `timeoutMs` or a little more. */
export async function shutDown(parts: Parts, timeoutMs: number): Promise<CloseReport> {
  const { leases, subscriptions, settlement, channels, factory, connections, counters } = parts
  const confirmedBefore = counters.confirms
  leases.rejectAll(() => closedPool('the pool was closed while this acquire waited'))
  const endsAt = performance.now() + timeoutMs
  const limitMs = () => Math.min(LONGEST_CLOSE_MS, Math.max(SHORTEST_CLOSE_MS, endsAt - performance.now()))
  // That the time is over is no failure: what follows deals with the rest.
  await withTimeLimit(settlement.whenSettled(), timeoutMs, Error).catch(() => {})

  const unknown: string[] = []
  const notSent: string[] = []
  settlement.failAll((publish) => {
    const outcome = outcomeOf(publish)
    const list = outcome === 'unknown' ? unknown : notSent
    list.push(publish.id)
    return closedPool(`the pool was closed; no confirm came in ${timeoutMs} ms`, outcome)
  })
  const report = { confirmed: counters.confirms - confirmedBefore, unknown, notSent }

  channels.close()
  const closing = [...factory.open].map((channel) => channel.destroy('pool closed'))
  await withTimeLimit(Promise.all([subscriptions.close(), ...closing]), limitMs(), Error).catch(() => {})
  await connections.close(limitMs())
  settlement.stop()
  leases.stop()
  return report
}

export function closedPool(message: string, outcome: 'not-sent' | 'unknown' = 'not-sent'): PooledProducerError {
  return new PooledProducerError('ERR_POOL_CLOSED', message, { outcome })
}
