import { Slab } from './slab.ts'

/**
 * Where frames are collected before they leave in one write. The memory is used again as soon as the
 * kernel has taken what it held; what is still queued keeps its own.
 */
export class SendBuffer {
  #slab = new Slab()
  #start = this.#slab.start
  #end = this.#slab.start

  /** The slab to write into, with room for `bytes` from {@link end}; nothing when it must be sent first. */
  reserve(bytes: number): Slab | undefined {
    if (this.#end + bytes <= this.#slab.bytes.length) return this.#slab
    if (this.#end > this.#start) return undefined
    this.#renew(bytes)
    return this.#slab
  }

  /** Where the next frame goes. */
  get end(): number {
    return this.#end
  }

  /** Keeps what was written up to `end`. */
  commit(end: number): void {
    this.#end = end
  }

  /** The frames collected since the last call; nothing when there are none. */
  take(): Buffer | undefined {
    if (this.#end === this.#start) return undefined
    const frames = this.#slab.bytes.subarray(this.#start, this.#end)
    this.#start = this.#end
    return frames
  }

  /** The kernel has taken all that was sent: the slab is free again. */
  reuse(): void {
    // A slab made for one large message is not kept.
    if (this.#slab.isLarge) this.#renew(0)
    this.#start = this.#end = this.#slab.start
  }

  #renew(bytes: number): void {
    this.#slab = new Slab(bytes)
    this.#start = this.#end = this.#slab.start
  }
}
