const SCRATCH_BYTES = 4 * 1024
const FRAME_BYTES = 64 * 1024

/**
 * Memory for frames, with a scratch area before them: text is encoded there in one call, and copied to its
 * places within the same buffer, which costs a third of encoding each string where it belongs.
 */
export class Slab {
  readonly bytes: Buffer
  readonly view: DataView
  readonly scratch: Uint8Array
  /** Where frames begin. */
  readonly start: number = SCRATCH_BYTES

  /** @param frameBytes the least room for frames. */
  constructor(frameBytes = 0) {
    this.bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES + Math.max(FRAME_BYTES, frameBytes))
    this.view = new DataView(this.bytes.buffer)
    this.scratch = this.bytes.subarray(0, SCRATCH_BYTES)
  }

  /** Whether it was made for more than usual. */
  get isLarge(): boolean {
    return this.bytes.length > SCRATCH_BYTES + FRAME_BYTES
  }
}
