import type { PoolState, PoolStats } from '../../pool/stats.ts'

/**
 * Whether tasks get through: `up`; `degraded`, the broker is there but reads nothing for want of memory or disk;
 * `down`, there is no broker.
 */
export type HealthStatus = 'up' | 'degraded' | 'down'

/** What a health check shows; nothing in it is secret. */
export interface PoolHealth extends Pick<PoolStats, 'channels' | 'waiting' | 'inFlight' | 'bufferedBytes'> {
  readonly status: HealthStatus
  readonly state: PoolState
}

const STATUS: Record<PoolState, HealthStatus> = {
  open: 'up',
  blocked: 'degraded',
  connecting: 'down',
  refused: 'down',
  closing: 'down',
  closed: 'down',
}

/**
 * Whether a pool can publish now, without any traffic. It is meant for readiness, not for liveness: a restart of
 * the server brings no broker back.
 */
export function poolHealth(pool: { stats(): PoolStats }): PoolHealth {
  const { state, channels, waiting, inFlight, bufferedBytes } = pool.stats()
  return { status: STATUS[state], state, channels, waiting, inFlight, bufferedBytes }
}
