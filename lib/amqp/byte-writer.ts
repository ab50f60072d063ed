/** Bytes written one after the other into a buffer that grows. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(512)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** A copy of what was written from `start` to `end`. */
  copy(start = 0, end: number = this.#length): Buffer {
    return Buffer.from(this.#bytes.subarray(start, end))
  }

  uint8(value: number): void {
    this.#length = this.#room(1).writeUInt8(value, this.#length)
  }

  int8(value: number): void {
    this.#length = this.#room(1).writeInt8(value, this.#length)
  }

  uint16(value: number): void {
    this.#length = this.#room(2).writeUInt16BE(value, this.#length)
  }

  int16(value: number): void {
    this.#length = this.#room(2).writeInt16BE(value, this.#length)
  }

  uint32(value: number): void {
    this.#length = this.#room(4).writeUInt32BE(value, this.#length)
  }

  int32(value: number): void {
    this.#length = this.#room(4).writeInt32BE(value, this.#length)
  }

  int64(value: bigint): void {
    this.#length = this.#room(8).writeBigInt64BE(value, this.#length)
  }

  uint64(value: bigint): void {
    this.#length = this.#room(8).writeBigUInt64BE(value, this.#length)
  }

  float(value: number): void {
    this.#length = this.#room(4).writeFloatBE(value, this.#length)
  }

  double(value: number): void {
    this.#length = this.#room(8).writeDoubleBE(value, this.#length)
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length).set(value, this.#length)
    this.#length += value.length
  }

  /** A string of 255 octets at most, its length in one octet before it (AMQP 0-9-1, 4.2.5.3). */
  shortString(value: string): void {
    const bytes = Buffer.from(value)
    this.uint8(bytes.length)
    this.bytes(bytes)
  }

  /** A string with its length in four octets before it. */
  longString(value: string | Uint8Array): void {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    this.uint32(bytes.length)
    this.bytes(bytes)
  }

  /** Writes a length that became known later over the four octets kept for it. */
  patchUint32(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value, at)
  }

  #room(bytes: number): Buffer {
    const needed = this.#length + bytes
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    return this.#bytes
  }
}
