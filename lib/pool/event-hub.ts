import { EventEmitter } from 'node:events'
import type { PooledProducerError } from '../errors.ts'
import type { EventLog } from '../observe/log.ts'
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

/** Calls listeners so that none of them can harm the pool: one that throws is logged, no more. */
export class EventHub {
  readonly #emitter = new EventEmitter()
  readonly #log: EventLog

  constructor(log: EventLog) {
    this.#log = log
  }

  on<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): void {
    this.#emitter.on(event, listener as (...args: unknown[]) => void)
  }

  off<E extends keyof PoolEvents>(event: E, listener: (...args: PoolEvents[E]) => void): void {
    this.#emitter.off(event, listener as (...args: unknown[]) => void)
  }

  emit<E extends keyof PoolEvents>(event: E, ...args: PoolEvents[E]): void {
    const warn = (error: unknown) => this.#log.write('pool.warning', { reason: `a listener of ${event} threw`, error })
    for (const listener of this.#emitter.listeners(event)) {
      try {
        // An async listener rejects instead.
        Promise.resolve(listener(...args)).catch(warn)
      } catch (error) {
        warn(error)
      }
    }
  }
}
