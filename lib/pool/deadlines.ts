import type { DeadlineLane, PendingPublish } from './pending-publish.ts'

/**
 * The deadlines of all unsettled publishes, with one timer for all. Adding and removing one are a few
 * assignments, however many there are.
 */
export class Deadlines {
  readonly #lanes = new Map<number, DeadlineLane>()
  readonly #expire: (publish: PendingPublish) => void
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(expire: (publish: PendingPublish) => void) {
    this.#expire = expire
  }

  add(publish: PendingPublish, timeoutMs: number, now: number): void {
    let lane = this.#lanes.get(timeoutMs)
    if (lane === undefined) {
      lane = { timeoutMs, first: undefined, last: undefined }
      this.#lanes.set(timeoutMs, lane)
    }
    publish.lane = lane
    publish.deadline = Math.ceil(now) + timeoutMs
    publish.earlier = lane.last
    if (lane.last === undefined) lane.first = publish
    else lane.last.later = publish
    lane.last = publish
    if (publish.deadline < this.#timerAt) this.#arm(publish.deadline)
  }

  remove(publish: PendingPublish): void {
    const { lane, earlier, later } = publish
    if (lane === undefined) return
    if (earlier === undefined) lane.first = later
    else earlier.later = later
    if (later === undefined) lane.last = earlier
    else later.earlier = earlier
    publish.lane = publish.earlier = publish.later = undefined
  }

  /** All publishes that have not been removed. */
  *[Symbol.iterator](): IterableIterator<PendingPublish> {
    for (const lane of this.#lanes.values()) {
      for (let publish = lane.first; publish !== undefined; publish = publish.later) yield publish
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #arm(at: number): void {
    this.stop()
    this.#timerAt = at
    this.#timer = setTimeout(() => this.#sweep(), Math.max(1, at - performance.now()))
    this.#timer.unref()
  }

  #sweep(): void {
    this.stop()
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const lane of this.#lanes.values()) {
      for (let publish = lane.first; publish !== undefined && publish.deadline <= now; publish = lane.first) {
        this.#expire(publish)
        this.remove(publish)
      }
      if (lane.first === undefined) this.#lanes.delete(lane.timeoutMs)
      else next = Math.min(next, lane.first.deadline)
    }
    // A publish that was added by an expiry may have armed the timer already.
    if (next < this.#timerAt) this.#arm(next)
  }
}
