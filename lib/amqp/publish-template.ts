import { PooledProducerError } from '../errors.ts'
import { ByteWriter } from './byte-writer.ts'
import {
  BODY_SIZE_AT,
  FRAME_BODY,
  FRAME_END,
  FRAME_OVERHEAD_BYTES,
  FRAME_START_BYTES,
  writeConstantFrames,
} from './constant-frames.ts'
import { CutFrames } from './cut-frames.ts'
import { isMisread } from './field-table.ts'
import type { Slab } from './slab.ts'
import { ID_LENGTH, Slot, type TemplateFields } from './template-fields.ts'

/** A body, and what fills the template's slots. */
export interface Filling {
  readonly values: readonly string[]
  readonly body: string | Buffer
}

/** amqplib encodes no larger table, and no sane message has one. */
const MAX_TABLE_BYTES = 65_536
const MAX_BYTES_OF_CHARACTER = 3
/** Measured: what the objects of a template take beside its bytes. */
const OWN_BYTES = 2_048

const encoder = new TextEncoder()

/**
 * The frames of basic.publish and of the content header, encoded ahead, for all messages that differ only
 * in their slots and their body. Writing one is a copy, a few patches and the body.
 */
export class PublishTemplate {
  readonly fields: TemplateFields
  /** What a message is counted for beside its own bytes: where it shares its template with no other, for that too. */
  readonly heldBytes: number
  readonly #frames: CutFrames
  readonly #hasId: boolean
  readonly #methodBytes: number
  readonly #tableAt: number
  /** From the end of the header table to the end of the content header's frame. */
  readonly #bytesAfterTable: number

  /**
   * @param isShared false: it is made for one message.
   * @param sharedBytes what each message that shares it is counted for beside its own bytes.
   * @throws {PooledProducerError} ERR_MESSAGE_TOO_LARGE for headers over 64 KiB; ERR_INVALID_OPTION for
   *   headers that AMQP cannot hold.
   */
  constructor(fields: TemplateFields, isShared = true, sharedBytes = 0) {
    this.fields = fields
    const out = new ByteWriter()
    const { methodEnd, tableStart, tableEnd, ids, texts } = writeConstantFrames(out, fields)
    this.#methodBytes = methodEnd
    this.#tableAt = tableStart
    this.#bytesAfterTable = out.length - tableEnd
    this.heldBytes = isShared ? sharedBytes : out.length + OWN_BYTES
    this.#hasId = ids.length > 0
    this.#checkSize(tableEnd - tableStart, 0, 0)
    this.#frames = new CutFrames(out.copy(), ids, texts)
  }

  /** No message with this filling takes more bytes on the wire. */
  maxBytes({ values, body }: Filling, frameMax: number): number {
    this.#frames.fit(values)
    let bytes = this.#frames.length
    for (const index of this.#frames.texts) bytes += 4 + textOf(values, index).length * MAX_BYTES_OF_CHARACTER
    const bodyBytes = typeof body === 'string' ? body.length * MAX_BYTES_OF_CHARACTER : body.length
    const bodyFrames = Math.ceil(bodyBytes / (frameMax - FRAME_OVERHEAD_BYTES)) + 1
    return bytes + bodyBytes + bodyFrames * FRAME_OVERHEAD_BYTES
  }

  /**
   * Writes the message's frames into a slab, which has room for {@link maxBytes} from `at`.
   *
   * @returns where the next message begins.
   * @throws {PooledProducerError} ERR_MESSAGE_TOO_LARGE when the headers do not fit a frame; nothing that
   *   was written counts then.
   */
  write(slab: Slab, at: number, channel: number, filling: Filling, frameMax: number): number {
    const { values } = filling
    this.#frames.fit(values)
    const { pieces, ids: idsOfPieces, texts } = this.#frames
    const isAscii = this.#encodeAscii(slab, filling)
    const { bytes, view } = slab
    let end = at
    // What of the text in the scratch area comes next; the id is its beginning.
    let next = this.#hasId ? ID_LENGTH : 0
    for (let piece = 0; ; piece++) {
      const constant = pieces[piece] as Buffer
      bytes.set(constant, end)
      const ids = idsOfPieces[piece] as readonly number[]
      for (let i = 0; i < ids.length; i++) {
        const idAt = end + (ids[i] as number)
        if (isAscii) bytes.copyWithin(idAt, 0, ID_LENGTH)
        else bytes.write(values[0] as string, idAt)
      }
      end += constant.length
      if (piece === texts.length) break
      const text = textOf(values, texts[piece] as number)
      const textBytes = isAscii ? text.length : bytes.write(text, end + 4)
      view.setUint32(end, textBytes)
      end += 4
      if (isAscii) bytes.copyWithin(end, next, next + textBytes)
      next += textBytes
      end += textBytes
    }

    const header = at + this.#methodBytes
    const tableBytes = end - this.#bytesAfterTable - (at + this.#tableAt)
    this.#checkSize(tableBytes, end - header, frameMax)
    view.setUint16(at + 1, channel)
    view.setUint16(header + 1, channel)
    view.setUint32(header + 3, end - header - FRAME_OVERHEAD_BYTES)
    view.setUint32(at + this.#tableAt, tableBytes - 4)

    const { body } = filling
    const start = end + FRAME_START_BYTES
    let bodyBytes = body.length
    if (typeof body !== 'string') bytes.set(body, start)
    else if (isAscii) bytes.copyWithin(start, next, next + bodyBytes)
    else bodyBytes = bytes.write(body, start)
    view.setUint32(header + BODY_SIZE_AT, Math.floor(bodyBytes / 2 ** 32))
    view.setUint32(header + BODY_SIZE_AT + 4, bodyBytes)
    return frameBody(slab, end, bodyBytes, channel, frameMax - FRAME_OVERHEAD_BYTES)
  }

  /** Encodes all that varies into the scratch area; false when it is too long, or more than ASCII. */
  #encodeAscii({ scratch }: Slab, { values, body }: Filling): boolean {
    const { texts } = this.#frames
    let text = this.#hasId ? (values[0] as string) : ''
    for (let i = 0; i < texts.length; i++) text += textOf(values, texts[i] as number)
    if (typeof body === 'string') text += body
    const { length } = text
    if (length > scratch.length) return false
    const { read, written } = encoder.encodeInto(text, scratch)
    return read === length && written === length
  }

  /**
   * Checks the sizes that {@link write} checks, without writing.
   *
   * @throws {PooledProducerError} ERR_MESSAGE_TOO_LARGE
   */
  checkSize({ values }: Filling, frameMax: number): void {
    this.#frames.fit(values)
    let end = this.#frames.length
    for (const index of this.#frames.texts) end += 4 + Buffer.byteLength(textOf(values, index))
    this.#checkSize(end - this.#bytesAfterTable - this.#tableAt, end - this.#methodBytes, frameMax)
  }

  #checkSize(tableBytes: number, frameBytes: number, frameMax: number): void {
    if (tableBytes > MAX_TABLE_BYTES) throw headersTooLarge(tableBytes)
    if (frameBytes > frameMax) throw headerFrameTooLarge(frameBytes, frameMax)
  }

  /** The same message as the arguments of amqplib's `channel.publish`, in objects of their own. */
  publishArguments({ values, body }: Filling): [string, string, Buffer, Record<string, unknown>] {
    const { exchange, routingKey, mandatory, properties } = this.fields
    const { headers, correlationId } = properties
    const options: Record<string, unknown> = { ...properties, mandatory }
    if (headers !== undefined) options.headers = filledTable(headers, values)
    if (correlationId instanceof Slot) options.correlationId = values[correlationId.value]
    return [exchange, routingKey, typeof body === 'string' ? Buffer.from(body) : body, options]
  }
}

/**
 * Puts frames around a body that stands where the first one's payload goes: one frame, or as many as it
 * needs; none for an empty body.
 */
function frameBody({ bytes, view }: Slab, at: number, bodyBytes: number, channel: number, maxPayload: number): number {
  if (bodyBytes === 0) return at
  if (bodyBytes <= maxPayload) return frame(view, at, channel, bodyBytes)
  const start = at + FRAME_START_BYTES
  const frames = Math.ceil(bodyBytes / maxPayload)
  // From the last to the first, so that no payload is moved over one that has still to move.
  for (let index = frames - 1; index >= 0; index--) {
    const from = index * maxPayload
    const payload = Math.min(maxPayload, bodyBytes - from)
    const frameAt = at + index * (maxPayload + FRAME_OVERHEAD_BYTES)
    bytes.copyWithin(frameAt + FRAME_START_BYTES, start + from, start + from + payload)
    frame(view, frameAt, channel, payload)
  }
  return at + bodyBytes + frames * FRAME_OVERHEAD_BYTES
}

function frame(view: DataView, at: number, channel: number, payload: number): number {
  view.setUint8(at, FRAME_BODY)
  view.setUint16(at + 1, channel)
  view.setUint32(at + 3, payload)
  view.setUint8(at + FRAME_START_BYTES + payload, FRAME_END)
  return at + payload + FRAME_OVERHEAD_BYTES
}

function textOf(values: readonly string[], index: number): string {
  return values[index] as string
}

/** A copy in which each slot holds its value; nothing of the template is shared with the caller. */
function filledTable(table: object, values: readonly string[]): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const key in table) {
    const item = (table as Record<string, unknown>)[key]
    if (item === undefined) continue
    // An assignment would take a key `__proto__` for something else.
    Object.defineProperty(copy, key, {
      value: filled(item, values),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return copy
}

function filled(value: unknown, values: readonly string[]): unknown {
  // amqplib must be told of the types of some numbers.
  if (typeof value === 'number') return isMisread(value) ? { '!': 'int32', value } : value
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  if (value instanceof Slot) return values[value.value]
  if (Array.isArray(value)) return value.map((item) => filled(item, values))
  if (!Object.hasOwn(value, '!')) return filledTable(value, values)
  const { '!': type, value: typed } = value as { '!': unknown; value?: unknown }
  // To amqplib these types are as good as none.
  return type === 'number' || type === 'object' ? filled(typed, values) : { '!': type, value: typed }
}

function headersTooLarge(bytes: number): PooledProducerError {
  return tooLarge(`the headers take ${bytes} bytes, and ${MAX_TABLE_BYTES} at most can be sent`)
}

function headerFrameTooLarge(bytes: number, frameMax: number): PooledProducerError {
  return tooLarge(`the headers take a frame of ${bytes} bytes; the broker takes ${frameMax}`)
}

function tooLarge(message: string): PooledProducerError {
  return new PooledProducerError('ERR_MESSAGE_TOO_LARGE', message, { outcome: 'not-sent' })
}
