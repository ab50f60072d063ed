import { PatientTimer } from '../amqp/patient-timer.ts'
import type { DeadlineLane, PendingPublish } from './pending-publish.ts'

const LONGEST_SWEEP_MS = 5
/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The deadlines of all unsettled publishes, with one timer for all. Adding and removing one are a few
 * assignments, however many there are.
 */
export class Deadlines {
  readonly #lanes = new Map<number, DeadlineLane>()
  readonly #expire: (publish: PendingPublish) => void
  readonly #timer = new PatientTimer()
  /** What is left of a sweep that took too long. */
  #rest: NodeJS.Immediate | undefined
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
    this.#timer.stop()
    clearImmediate(this.#rest)
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #arm(at: number): void {
    this.#timerAt = at
    this.#timer.start(() => this.#sweep(), Math.min(LONGEST_TIMER_MS, Math.max(1, at - performance.now())))
  }

  /** Expires what is due, for a while at most: tens of thousands at once must not hold up the event loop. */
  #sweep(): void {
    this.stop()
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const lane of this.#lanes.values()) {
      for (let publish = lane.first; publish !== undefined && publish.deadline <= now; publish = lane.first) {
        if (performance.now() - now > LONGEST_SWEEP_MS) return this.#sweepOn()
        this.#expire(publish)
        this.remove(publish)
      }
      if (lane.first === undefined) this.#lanes.delete(lane.timeoutMs)
      else next = Math.min(next, lane.first.deadline)
    }
    // A publish that was added by an expiry may have armed the timer already.
    if (next < this.#timerAt) this.#arm(next)
  }

  #sweepOn(): void {
    this.#rest = setImmediate(() => this.#sweep())
  }
}
