import { EventEmitter } from 'node:events'
import { PooledProducerError } from '../errors.ts'
import { describe } from '../shown-value.ts'
import type { EventLog } from './log.ts'

/** Calls listeners so that none of them can do harm: one that throws is logged, no more. */
export class EventHub<Events extends Record<keyof Events, unknown[]>> {
  readonly #emitter = new EventEmitter()
  readonly #log: EventLog
  readonly #owner: string
  readonly #names: readonly string[]

  /**
   * @param owner who tells, as errors call it: `a pool`.
   * @param names the events that there are.
   */
  constructor(log: EventLog, owner: string, names: readonly (keyof Events & string)[]) {
    this.#log = log
    this.#owner = owner
    this.#names = names
  }

  /** Whether nobody listens. */
  get isEmpty(): boolean {
    return this.#emitter.eventNames().length === 0
  }

  /** @throws {PooledProducerError} ERR_INVALID_OPTION for an event that there is not, or what is no function. */
  on<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): void {
    if (!this.#names.includes(event))
      throw invalid(`${describe(event)} is not an event of ${this.#owner}; known are ${this.#names.join(', ')}`)
    if (typeof listener !== 'function') throw invalid(`a listener must be a function, got ${describe(listener)}`)
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

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
