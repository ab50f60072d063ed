import type { PendingPublish } from './pending-publish.ts'

/** Places that nobody waits in are cleared out once there are this many, and more than half of all. */
const TOLERATED = 1_024

/** Where all queues of a pool count what waits in them. */
interface WaitingCount {
  waiting: number
}

/** Publishes that wait to be written, first come first served. */
export class PublishQueue {
  readonly #count: WaitingCount
  #items: PendingPublish[] = []
  /** Where the next that leaves stands; the places before it are empty. */
  #head = 0
  /** Behind the head. */
  #settled = 0

  constructor(count: WaitingCount) {
    this.#count = count
  }

  /** How many wait here. */
  get length(): number {
    return this.#items.length - this.#head - this.#settled
  }

  push(publish: PendingPublish): void {
    publish.place = this
    this.#count.waiting++
    this.#items.push(publish)
  }

  /** Puts publishes before all others, in their order. */
  pushFront(publishes: readonly PendingPublish[]): void {
    if (publishes.length > this.#head) this.#makeRoom(publishes.length)
    this.#head -= publishes.length
    let at = this.#head
    for (const publish of publishes) {
      publish.place = this
      this.#items[at++] = publish
    }
    this.#count.waiting += publishes.length
  }

  /** The next that is not settled. */
  shift(): PendingPublish | undefined {
    while (this.#head < this.#items.length) {
      const publish = this.#items[this.#head] as PendingPublish
      this.#items[this.#head++] = undefined as never
      if (publish.isSettled) this.#settled--
      this.#tidy()
      if (publish.isSettled) continue
      publish.place = undefined
      this.#count.waiting--
      return publish
    }
    return undefined
  }

  /** All that are not settled, in their order. */
  takeAll(): PendingPublish[] {
    const publishes: PendingPublish[] = []
    for (let publish = this.shift(); publish !== undefined; publish = this.shift()) publishes.push(publish)
    return publishes
  }

  /** Tells that a publish of this queue was settled where it stood. */
  noteSettled(): void {
    this.#settled++
    this.#count.waiting--
    this.#tidy()
  }

  /** Before all others, and for half as many more: a long line is not to be moved for each that is put before it. */
  #makeRoom(needed: number): void {
    const waiting = this.#items.slice(this.#head)
    this.#head = needed + (waiting.length >> 1)
    this.#items = new Array<PendingPublish>(this.#head).fill(undefined as never).concat(waiting)
  }

  /** A queue that never empties must not grow for ever, nor one whose publishes are settled where they stand. */
  #tidy(): void {
    const free = this.#head + this.#settled
    if (free <= TOLERATED || free * 2 <= this.#items.length) return
    this.#items = this.#items.slice(this.#head).filter((publish) => !publish.isSettled)
    this.#head = 0
    this.#settled = 0
  }
}
