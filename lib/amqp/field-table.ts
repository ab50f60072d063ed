import type { ByteWriter } from './byte-writer.ts'

/** Writes a value that is no plain field, so many tables and arrays deep; false when it does not know it either. */
export type FieldHook = (value: object, depth: number) => boolean

/**
 * Writes a field table with the types that amqplib chooses for JavaScript's values: the smallest signed
 * integer that holds a whole number, a double otherwise, long strings, void for null; but with 32 bits where
 * Python misreads fewer, see {@link isMisread}. Undefined is left out. `{ '!': type, value }` names a type, as in
 * amqplib. Source of the tags: RabbitMQ, "AMQP 0-9-1 Errata", section 3.
 *
 * @throws {TypeError | RangeError} for a value that no field can hold.
 */
export function writeTable(out: ByteWriter, table: object, hook?: FieldHook, depth = 0): void {
  const start = out.length
  out.uint32(0)
  // Inherited keys count, as they do for amqplib.
  for (const key in table) {
    const value = (table as Record<string, unknown>)[key]
    if (value === undefined) continue
    out.shortString(key)
    writeField(out, value, hook, depth)
  }
  out.patchUint32(start, out.length - start - 4)
}

function writeField(out: ByteWriter, value: unknown, hook?: FieldHook, depth = 0): void {
  switch (typeof value) {
    case 'string':
      tag(out, 'S')
      return out.longString(value)
    case 'boolean':
      tag(out, 't')
      return out.uint8(value ? 1 : 0)
    case 'number':
      return writeTyped(out, numberType(value), value)
    case 'object':
      return writeObject(out, value, hook, depth)
    default:
      throw new TypeError(`a header cannot hold a ${typeof value}`)
  }
}

function writeObject(out: ByteWriter, value: object | null, hook: FieldHook | undefined, depth: number): void {
  if (value === null) return tag(out, 'V')
  if (hook?.(value, depth)) return
  if (Array.isArray(value)) {
    tag(out, 'A')
    const start = out.length
    out.uint32(0)
    for (const item of value) writeField(out, item, hook, depth + 1)
    return out.patchUint32(start, out.length - start - 4)
  }
  if (Buffer.isBuffer(value)) {
    tag(out, 'x')
    return out.longString(value)
  }
  if (Object.hasOwn(value, '!')) {
    const typed = value as { '!': string; value: unknown }
    return writeTyped(out, typed['!'], typed.value)
  }
  tag(out, 'F')
  writeTable(out, value, hook, depth + 1)
}

/**
 * Whether amqplib would write a number with a tag that py-amqp takes for another type: `s`, an integer of 16
 * bits, is a short string to it, of which a Celery worker dies; `b`, an integer of 8 bits, has no sign to it.
 */
export function isMisread(value: number): boolean {
  return Number.isInteger(value) && value >= -0x8000 && value < 0x8000 && (value < 0 || value >= 0x80)
}

function numberType(value: number): string {
  if (value >= 2 ** 63 || (Math.abs(value) < 2 ** 50 && !Number.isInteger(value))) return 'double'
  if (value >= 0 && value < 0x80) return 'byte'
  if (value >= -0x80000000 && value < 0x80000000) return 'int'
  return 'long'
}

function writeTyped(out: ByteWriter, type: string, value: unknown): void {
  const number = value as number
  switch (type) {
    case 'byte':
    case 'int8':
      tag(out, 'b')
      return out.int8(number)
    case 'unsignedbyte':
    case 'uint8':
      tag(out, 'B')
      return out.uint8(number)
    case 'short':
    case 'int16':
      tag(out, 's')
      return out.int16(number)
    case 'unsignedshort':
    case 'uint16':
      tag(out, 'u')
      return out.uint16(number)
    case 'int':
    case 'int32':
      tag(out, 'I')
      return out.int32(number)
    case 'unsignedint':
    case 'uint32':
      tag(out, 'i')
      return out.uint32(number)
    case 'long':
    case 'int64':
      tag(out, 'l')
      return out.int64(BigInt(number))
    case 'double':
    case 'float64':
      tag(out, 'd')
      return out.double(number)
    case 'float':
      tag(out, 'f')
      return out.float(number)
    case 'timestamp':
      tag(out, 'T')
      return out.uint64(BigInt(number))
    case 'decimal':
      return writeDecimal(out, value as { places: number; digits: number })
    default:
      // The other names are those of plain values, which say their own type.
      if (typeof value !== type) throw new TypeError(`a header cannot hold the type ${type}`)
      return writeField(out, value)
  }
}

function writeDecimal(out: ByteWriter, { places, digits }: { places: number; digits: number }): void {
  if (!Number.isInteger(places) || !Number.isInteger(digits)) {
    throw new TypeError('a decimal header needs places and digits, both whole numbers')
  }
  tag(out, 'D')
  out.uint8(places)
  out.uint32(digits)
}

function tag(out: ByteWriter, letter: string): void {
  out.uint8(letter.charCodeAt(0))
}
