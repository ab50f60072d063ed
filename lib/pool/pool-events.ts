import type { PooledProducerError } from '../errors.ts'
import type { PoolStats } from './stats.ts'

/** What a pool tells its listeners. */
export interface PoolEvents {
  connect: [{ connection: number; broker: string; openMs: number }]
  disconnect: [{ connection: number; broker: string; reason: string }]
  blocked: [{ connection: number; reason: string }]
  unblocked: [{ connection: number; blockedMs: number }]
  refused: [PooledProducerError]
  summary: [PoolStats]
  close: []
}

export const POOL_EVENTS: readonly (keyof PoolEvents)[] = [
  'connect',
  'disconnect',
  'blocked',
  'unblocked',
  'refused',
  'summary',
  'close',
]
