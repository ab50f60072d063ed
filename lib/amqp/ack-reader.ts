/** Called with each answer of the broker's to a channel's messages (AMQP 0-9-1, basic.ack; RabbitMQ, basic.nack). */
export type AckListener = (deliveryTag: number, multiple: boolean, isNack: boolean) => void

// The frame of basic.ack and of basic.nack: type, channel, size, class, method, delivery tag, bits, end.
const FRAME_BYTES = 21
const FRAME_METHOD = 1
const CHANNEL_AT = 1
const PAYLOAD_BYTES = 13
const CLASS_BASIC = 60
const METHOD_ACK = 80
const METHOD_NACK = 120
const TAG_AT = 11
const BITS_AT = 19
const BIT_MULTIPLE = 1
const FRAME_END = 0xce

/**
 * Reads acks and nacks where they stand, for the channels that have a listener. amqplib makes two views, three
 * objects and an event of each; and under small load there is one for every message.
 */
export class AckReader {
  readonly #listeners: (AckListener | undefined)[] = []

  /** Sets who is told of a channel's answers; undefined: nobody, and they are left alone. */
  listen(channel: number, listener: AckListener | undefined): void {
    this.#listeners[channel] = listener
  }

  /**
   * Reads the answers at the beginning of `bytes`, which begin with a frame, up to the first frame that is
   * anything else or has not come whole.
   *
   * @returns how many bytes were read.
   */
  read(bytes: Uint8Array): number {
    let at = 0
    while (bytes.length - at >= FRAME_BYTES && isAnswer(bytes, at)) {
      const listener = this.#listeners[uint16(bytes, at + CHANNEL_AT)]
      if (listener === undefined) break
      const tag = uint32(bytes, at + TAG_AT) * 2 ** 32 + uint32(bytes, at + TAG_AT + 4)
      const isMultiple = ((bytes[at + BITS_AT] as number) & BIT_MULTIPLE) !== 0
      listener(tag, isMultiple, bytes[at + 10] === METHOD_NACK)
      at += FRAME_BYTES
    }
    return at
  }
}

/** Whether a whole frame of basic.ack or basic.nack stands there; for one that is broken, the answer is no. */
function isAnswer(bytes: Uint8Array, at: number): boolean {
  const method = bytes[at + 10]
  return (
    bytes[at] === FRAME_METHOD &&
    (method === METHOD_ACK || method === METHOD_NACK) &&
    uint32(bytes, at + 3) === PAYLOAD_BYTES &&
    uint16(bytes, at + 7) === CLASS_BASIC &&
    bytes[at + 9] === 0 &&
    bytes[at + FRAME_BYTES - 1] === FRAME_END
  )
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

function uint32(bytes: Uint8Array, at: number): number {
  return uint16(bytes, at) * 2 ** 16 + uint16(bytes, at + 2)
}
