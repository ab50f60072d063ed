const FIRST_CAPACITY = 64

/**
 * The unconfirmed messages of one channel by delivery tag: a ring in which every look-up is one index.
 * Tags are counted from 1 in the order of publishing (RabbitMQ, "Consumer Acknowledgements and Publisher
 * Confirms"), so that a tag needs no more than its place.
 */
export class Ledger<T> {
  #ring: (T | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined)
  /** Every tag below this one is settled. */
  #head = 1
  #next = 1
  #size = 0

  /** How many messages are unconfirmed. */
  get size(): number {
    return this.#size
  }

  /** From the oldest unconfirmed message to the newest, the settled ones between them included. */
  get span(): number {
    return this.#next - this.#head
  }

  /** The delivery tag that the next message gets. */
  get nextTag(): number {
    return this.#next
  }

  /** The message that has waited longest for its confirm. */
  get oldest(): T | undefined {
    return this.#ring[this.#head & (this.#ring.length - 1)]
  }

  /** Enters a message under the next delivery tag. */
  add(item: T): void {
    if (this.#next - this.#head === this.#ring.length) this.#grow()
    this.#ring[this.#next & (this.#ring.length - 1)] = item
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
    const old = this.#ring
    const ring: (T | undefined)[] = new Array(old.length * 2).fill(undefined)
    for (let tag = this.#head; tag < this.#next; tag++) ring[tag & (ring.length - 1)] = old[tag & (old.length - 1)]
    this.#ring = ring
  }
}
