const SLAB_BYTES = 64 * 1024

/**
 * Where frames are collected before they leave in one write. The memory is used again as soon as the
 * kernel has taken what it held; what is still queued keeps its own.
 */
export class SendBuffer {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #start = 0
  #end = 0

  /** The buffer to write into, with room for `bytes` from {@link end}; nothing when it must be sent first. */
  reserve(bytes: number): Buffer | undefined {
    if (this.#end + bytes <= this.#slab.length) return this.#slab
    if (this.#end > this.#start) return undefined
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
    this.#start = 0
    this.#end = 0
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
    const frames = this.#slab.subarray(this.#start, this.#end)
    this.#start = this.#end
    return frames
  }

  /** The kernel has taken all that was sent: the slab is free again. */
  reuse(): void {
    this.#start = 0
    this.#end = 0
    // A slab made for one large message is not kept.
    if (this.#slab.length > SLAB_BYTES) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  }
}
