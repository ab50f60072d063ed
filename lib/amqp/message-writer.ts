import type { ConfirmChannel as RawChannel } from 'amqplib'
import { trimUnconfirmed, type Wire, wireOf } from './amqplib-internals.ts'
import type { Filling, PublishTemplate } from './publish-template.ts'
import { SendBuffer } from './send-buffer.ts'
import type { Slab } from './slab.ts'

/** A message as it is written. */
export interface WritableMessage extends Filling {
  readonly template: PublishTemplate
}

/** How a channel's messages get to amqplib. */
export interface MessageWriter {
  /** Whether frames are encoded ahead. */
  readonly isFast: boolean
  /** Whether more would only pile up in this process; `drained` is called when that is over. */
  readonly isCongested: boolean
  /** Whether a tracer has replaced amqplib's `publish` since, and would not see what is written here. */
  readonly isBypassed: boolean
  /** @throws {PooledProducerError} ERR_MESSAGE_TOO_LARGE; {TypeError | RangeError} of amqplib's encoder. */
  write(message: WritableMessage): void
  /** Sends what was written. */
  flush(): void
  /** The broker has answered. */
  answered(): void
  /** The broker has answered for this message. */
  settled(message: WritableMessage): void
}

/** Above this many bytes that the kernel has not taken, nothing more is encoded. */
const MAX_BACKLOG_BYTES = 256 * 1024
/**
 * Above this many bytes without an answer, nothing more is given to amqplib's publish, which makes a copy of each body
 * and counts messages only.
 */
const MAX_UNANSWERED_BYTES = 2 ** 20
/** RabbitMQ never negotiates more by default; used only where amqplib does not show what was agreed. */
const DEFAULT_FRAME_MAX = 131_072

/** The fastest writer that a channel allows. */
export function writerFor(
  raw: RawChannel,
  settings: { readonly fastPath: boolean; readonly frameMax: number | undefined },
  drained: () => void,
): MessageWriter {
  const wire = settings.fastPath ? wireOf(raw) : undefined
  if (wire === undefined) return new PublicWriter(raw, settings.frameMax ?? DEFAULT_FRAME_MAX, drained)
  // Frames written by us are unknown to amqplib, whose own count of confirms would go astray.
  raw.removeAllListeners('ack')
  raw.removeAllListeners('nack')
  return new FrameWriter(wire, drained)
}

/** Frames encoded ahead, collected and sent in one piece. */
class FrameWriter implements MessageWriter {
  readonly isFast = true
  isCongested = false
  readonly #wire: Wire
  readonly #drained: () => void
  readonly #buffer = new SendBuffer()

  constructor(wire: Wire, drained: () => void) {
    this.#wire = wire
    this.#drained = drained
  }

  get isBypassed(): boolean {
    return !this.#wire.isUnpatched()
  }

  write(message: WritableMessage): void {
    const { channel, frameMax } = this.#wire
    const { template } = message
    const bytes = template.maxBytes(message, frameMax)
    let slab = this.#buffer.reserve(bytes)
    if (slab === undefined) {
      this.flush()
      slab = this.#buffer.reserve(bytes) as Slab
    }
    this.#buffer.commit(template.write(slab, this.#buffer.end, channel, message, frameMax))
  }

  flush(): void {
    const frames = this.#buffer.take()
    if (frames === undefined) return
    this.#wire.send(frames)
    const { backlogBytes } = this.#wire
    if (backlogBytes === 0) this.#buffer.reuse()
    else if (backlogBytes > MAX_BACKLOG_BYTES && !this.isCongested) this.#waitForRoom()
  }

  answered(): void {}

  settled(): void {}

  #waitForRoom(): void {
    this.isCongested = true
    this.#wire.onceDrained(() => {
      this.isCongested = false
      this.#drained()
    })
  }
}

/** amqplib's own `publish`, which tracers see. */
class PublicWriter implements MessageWriter {
  readonly isFast = false
  readonly isBypassed = false
  readonly #raw: RawChannel
  readonly #frameMax: number
  readonly #drained: () => void
  #isFull = false
  #unansweredBytes = 0

  constructor(raw: RawChannel, frameMax: number, drained: () => void) {
    this.#raw = raw
    this.#frameMax = frameMax
    this.#drained = drained
    raw.on('drain', () => {
      this.#isFull = false
      drained()
    })
  }

  get isCongested(): boolean {
    return this.#isFull || this.#unansweredBytes > MAX_UNANSWERED_BYTES
  }

  write(message: WritableMessage): void {
    const { template } = message
    // amqplib does not check the size of its frames, and the broker answers by closing the connection.
    template.checkSize(message, this.#frameMax)
    // A tracer ends its span in the callback.
    if (!this.#raw.publish(...template.publishArguments(message), noop)) this.#isFull = true
    this.#unansweredBytes += Buffer.byteLength(message.body)
  }

  flush(): void {}

  answered(): void {
    trimUnconfirmed(this.#raw)
  }

  settled(message: WritableMessage): void {
    const wasCongested = this.isCongested
    this.#unansweredBytes -= Buffer.byteLength(message.body)
    if (wasCongested && !this.isCongested) this.#drained()
  }
}

function noop(): void {}
