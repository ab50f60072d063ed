import { withTimeLimit } from '../amqp/time-limit.ts'
import { PooledProducerError } from '../errors.ts'
import type { ChannelFactory } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { ConnectionSet } from './connection-set.ts'
import type { Leases } from './leases.ts'
import { outcomeOf, type Settlement } from './settlement.ts'
import type { Counters } from './stats.ts'
import type { Subscriptions } from './subscriptions.ts'

/** What became of the publishes that were open when `close` was called. */
export interface CloseReport {
  readonly confirmed: number
  /** Ids of the tasks that were written, and whose confirm did not come in time. */
  readonly unknown: readonly string[]
  /** Ids of the tasks that were never written. */
  readonly notSent: readonly string[]
}

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

/** Waits for what was accepted, `timeoutMs` at most, gives the rest its outcome, and closes everything. */
export async function shutDown(parts: Parts, timeoutMs: number): Promise<CloseReport> {
  const { leases, subscriptions, settlement, channels, factory, connections, counters } = parts
  const confirmedBefore = counters.confirms
  leases.rejectAll(() => closedPool('the pool was closed while this acquire waited'))
  await withTimeLimit(settlement.whenSettled(), timeoutMs, () => new Error('too late')).catch(() => {})

  const unknown: string[] = []
  const notSent: string[] = []
  settlement.failAll((publish) => {
    const outcome = outcomeOf(publish)
    if (publish.taskId !== undefined) (outcome === 'unknown' ? unknown : notSent).push(publish.taskId)
    return closedPool(`the pool was closed; no confirm came in ${timeoutMs} ms`, outcome)
  })
  const report = { confirmed: counters.confirms - confirmedBefore, unknown, notSent }

  channels.close()
  await subscriptions.close()
  await Promise.all([...factory.open].map((channel) => channel.destroy('pool closed')))
  await connections.close()
  settlement.stop()
  leases.stop()
  return report
}

export function closedPool(message: string, outcome: 'not-sent' | 'unknown' = 'not-sent'): PooledProducerError {
  return new PooledProducerError('ERR_POOL_CLOSED', message, { outcome })
}
