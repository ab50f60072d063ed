import type { PendingPublish } from './pending-publish.ts'

/**
 * Publishes that wait until they may be sent again. Those that come in one turn of the event loop, with the same pause,
 * go on together and in their order: one by one each would be put before the one that came before it.
 */
export class Pauses {
  readonly #ended: (publishes: readonly PendingPublish[]) => void
  /** Of this turn, by the length of their pause in milliseconds. */
  readonly #groups = new Map<number, PendingPublish[]>()

  constructor(ended: (publishes: readonly PendingPublish[]) => void) {
    this.#ended = ended
  }

  hold(publish: PendingPublish, pauseMs: number): void {
    const group = this.#groups.get(pauseMs)
    if (group !== undefined) {
      group.push(publish)
      return
    }
    if (this.#groups.size === 0) setImmediate(() => this.#begin())
    this.#groups.set(pauseMs, [publish])
  }

  #begin(): void {
    for (const [pauseMs, publishes] of this.#groups) {
      if (pauseMs === 0) this.#ended(publishes)
      else setTimeout(() => this.#ended(publishes), pauseMs).unref()
    }
    this.#groups.clear()
  }
}
