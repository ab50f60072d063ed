import { EventEmitter } from 'node:events'
import type { EventLog } from './log.ts'

/** Calls listeners so that none of them can do harm: one that throws is logged, no more. */
export class EventHub<Events extends Record<keyof Events, unknown[]>> {
  readonly #emitter = new EventEmitter()
  readonly #log: EventLog

  constructor(log: EventLog) {
    this.#log = log
  }

  /** Whether nobody listens. */
  get isEmpty(): boolean {
    return this.#emitter.eventNames().length === 0
  }

  on<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): void {
    this.#emitter.on(event, listener as (...args: unknown[]) => void)
  }

  off<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): void {
    this.#emitter.off(event, listener as (...args: unknown[]) => void)
  }

  emit<E extends keyof Events & string>(event: E, ...args: Events[E]): void {
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
