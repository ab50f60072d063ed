import { asError, PooledProducerError } from '../errors.ts'
import type { ByteWriter } from './byte-writer.ts'
import { writeTable } from './field-table.ts'
import { ID_LENGTH, ID_SLOT, Slot, type TemplateFields } from './template-fields.ts'

/** Source of the numbers: AMQP 0-9-1, sections 2.3.5 (frames) and 1.8 (basic). */
const FRAME_METHOD = 1
const FRAME_HEADER = 2
export const FRAME_BODY = 3
export const FRAME_END = 0xce
export const FRAME_START_BYTES = 7
/** Type, channel, size and the end octet around each payload. */
export const FRAME_OVERHEAD_BYTES = 8
/** In the content header's frame, after class and weight. */
export const BODY_SIZE_AT: number = FRAME_START_BYTES + 4
const BASIC_CLASS = 60
const BASIC_PUBLISH = 40

/** Where a text slot stands in the constant bytes, and which value fills it. */
export interface Hole {
  readonly at: number
  readonly value: number
  readonly isSteady: boolean
}

/** Where things are in the constant bytes. */
export interface FramePlan {
  /** The end of the method's frame, where the content header's begins. */
  readonly methodEnd: number
  readonly tableStart: number
  readonly tableEnd: number
  /** The places of the id. */
  readonly ids: readonly number[]
  readonly texts: readonly Hole[]
}

/**
 * Writes the frames of basic.publish and of the content header, with nothing in the places of slots, sizes
 * and channel numbers.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION for headers that AMQP cannot hold.
 */
export function writeConstantFrames(out: ByteWriter, fields: TemplateFields): FramePlan {
  const ids: number[] = []
  const texts: Hole[] = []
  writeMethodFrame(out, fields)
  const methodEnd = out.length
  const table = writeHeaderFrame(out, fields, ids, texts)
  return { methodEnd, tableStart: table.start, tableEnd: table.end, ids, texts }
}

function writeMethodFrame(out: ByteWriter, { exchange, routingKey, mandatory }: TemplateFields): void {
  startFrame(out, FRAME_METHOD)
  out.uint16(BASIC_CLASS)
  out.uint16(BASIC_PUBLISH)
  out.uint16(0)
  out.shortString(exchange)
  out.shortString(routingKey)
  out.uint8(mandatory ? 1 : 0)
  endFrame(out, 0)
}

/** The properties in the order of their flags, from the highest bit down (AMQP 0-9-1, 2.3.5.2). */
function writeHeaderFrame(
  out: ByteWriter,
  { properties }: TemplateFields,
  ids: number[],
  texts: Hole[],
): { start: number; end: number } {
  const frame = out.length
  startFrame(out, FRAME_HEADER)
  out.uint16(BASIC_CLASS)
  out.uint16(0)
  // The body's size, known per message.
  out.uint64(0n)
  out.uint16(propertyFlags(properties))

  if (properties.contentType !== undefined) out.shortString(properties.contentType)
  if (properties.contentEncoding !== undefined) out.shortString(properties.contentEncoding)
  const start = out.length
  writeHeaders(out, properties.headers ?? {}, ids, texts)
  const end = out.length
  if (properties.deliveryMode !== undefined) out.uint8(properties.deliveryMode)
  if (properties.priority !== undefined) out.uint8(properties.priority)
  writeCorrelationId(out, properties.correlationId, ids)
  for (const name of ['replyTo', 'expiration', 'messageId'] as const) {
    const value = properties[name]
    if (value !== undefined) out.shortString(value)
  }
  if (properties.timestamp !== undefined) out.uint64(BigInt(properties.timestamp))
  for (const name of ['type', 'userId', 'appId'] as const) {
    const value = properties[name]
    if (value !== undefined) out.shortString(value)
  }
  endFrame(out, frame)
  return { start, end }
}

const FLAGS = {
  contentType: 0x8000,
  contentEncoding: 0x4000,
  headers: 0x2000,
  deliveryMode: 0x1000,
  priority: 0x0800,
  correlationId: 0x0400,
  replyTo: 0x0200,
  expiration: 0x0100,
  messageId: 0x0080,
  timestamp: 0x0040,
  type: 0x0020,
  userId: 0x0010,
  appId: 0x0008,
} as const

function propertyFlags(properties: TemplateFields['properties']): number {
  // amqplib sends a header table always, empty if need be.
  let flags: number = FLAGS.headers
  for (const [name, flag] of Object.entries(FLAGS) as [keyof typeof FLAGS, number][]) {
    if (properties[name] !== undefined) flags |= flag
  }
  return flags
}

function writeHeaders(out: ByteWriter, headers: object, ids: number[], texts: Hole[]): void {
  try {
    writeTable(out, headers, (value, depth) => {
      if (!(value instanceof Slot)) return false
      // The length of a table within the table would have to be patched too.
      if (depth > 0 && value !== ID_SLOT) throw new TypeError('a text slot can only stand for a whole header')
      out.uint8('S'.charCodeAt(0))
      if (value === ID_SLOT) {
        out.uint32(ID_LENGTH)
        ids.push(out.length)
        out.bytes(Buffer.alloc(ID_LENGTH))
      } else {
        texts.push({ at: out.length, value: value.value, isSteady: value.isSteady })
      }
      return true
    })
  } catch (cause) {
    const reason = asError(cause).message
    throw new PooledProducerError('ERR_INVALID_OPTION', `the headers cannot be encoded: ${reason}`, {
      cause,
      outcome: 'not-sent',
    })
  }
}

function writeCorrelationId(out: ByteWriter, value: string | Slot | undefined, ids: number[]): void {
  if (typeof value === 'string') return out.shortString(value)
  if (value === undefined) return
  out.uint8(ID_LENGTH)
  ids.push(out.length)
  out.bytes(Buffer.alloc(ID_LENGTH))
}

function startFrame(out: ByteWriter, type: number): void {
  out.uint8(type)
  // Channel and size: the channel is known per message, the size at the end.
  out.uint16(0)
  out.uint32(0)
}

function endFrame(out: ByteWriter, start: number): void {
  out.patchUint32(start + 3, out.length - start - FRAME_START_BYTES)
  out.uint8(FRAME_END)
}
