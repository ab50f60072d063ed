const FIRST_CAPACITY = 64

/**
 * The unconfirmed messages of one channel by delivery tag: a ring in which every look-up is one index.
 * Tags are counted from 1 in the order of publishing (RabbitMQ, "Consumer Acknowledgements and Publisher
 * Confirms"), so that a tag needs no more than its place.
 */
export class Ledger<T> {
  #ring: (T | undefined)[] = emptyRing(FIRST_CAPACITY)
  /** When each was written; apart from the messages, where it would be an object of its own. */
  #times = new Float64Array(FIRST_CAPACITY)
  #takenAt = 0
  #head: number
  #next: number
  #size = 0

  /** @param firstTag where the broker begins to count. */
  constructor(firstTag = 1) {
    this.#head = this.#next = firstTag
  }

  /** How many messages are unconfirmed. */
  get size(): number {
    return this.#size
  }

  /** From the oldest unconfirmed message to the newest, the settled ones between them included. */
  get span(): number {
    return this.#next - this.#head
  }

  /** Every tag below this one is settled. */
  get head(): number {
    return this.#head
  }

  /** The delivery tag that the next message gets. */
  get nextTag(): number {
    return this.#next
  }

  /** When the message that has waited longest was written; see {@link add}. */
  get oldestAt(): number {
    return this.#times[this.#head & (this.#ring.length - 1)] as number
  }

  /** When the message that was taken out last was written. */
  get takenAt(): number {
    return this.#takenAt
  }

  /** Enters a message under the next delivery tag, with the time of its writing. */
  add(item: T, now: number): void {
    if (this.#next - this.#head === this.#ring.length) this.#grow()
    const place = this.#next & (this.#ring.length - 1)
    this.#ring[place] = item
    this.#times[place] = now
    this.#next++
    this.#size++
  }

  /** Takes out the one message of a tag; none when the tag is unknown or settled already. */
  take(tag: number): T | undefined {
    if (!(tag >= this.#head && tag < this.#next)) return undefined
    const ring = this.#ring
    const mask = ring.length - 1
    const item = ring[tag & mask]
    if (item === undefined) return undefined
    ring[tag & mask] = undefined
    this.#takenAt = this.#times[tag & mask] as number
    this.#size--
    while (this.#head < this.#next && ring[this.#head & mask] === undefined) this.#head++
    return item
  }

  /**
   * Takes out the oldest message, when its tag is not above the one given: called until it gives nothing,
   * it settles a `multiple` acknowledgement. Tag 0 stands for all that is outstanding (AMQP 0-9-1, 1.8.3.13).
   */
  takeUpTo(tag: number): T | undefined {
    return tag === 0 || this.#head <= tag ? this.take(this.#head) : undefined
  }

  /** The unconfirmed messages, oldest first. */
  *[Symbol.iterator](): IterableIterator<T> {
    const mask = this.#ring.length - 1
    for (let tag = this.#head; tag < this.#next; tag++) {
      const item = this.#ring[tag & mask]
      if (item !== undefined) yield item
    }
  }

  /** Takes out all, oldest first. */
  clear(): T[] {
    const items = [...this]
    this.#ring.fill(undefined)
    this.#head = this.#next
    this.#size = 0
    return items
  }

  #grow(): void {
    const [old, oldTimes] = [this.#ring, this.#times]
    const capacity = old.length * 2
    this.#ring = emptyRing(capacity)
    this.#times = new Float64Array(capacity)
    for (let tag = this.#head; tag < this.#next; tag++) {
      const [from, to] = [tag & (old.length - 1), tag & (capacity - 1)]
      this.#ring[to] = old[from]
      this.#times[to] = oldTimes[from] as number
    }
  }
}

function emptyRing<T>(capacity: number): (T | undefined)[] {
  return Array.from({ length: capacity }, () => undefined)
}
