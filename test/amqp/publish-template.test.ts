import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Filling, PublishTemplate } from '../../lib/amqp/publish-template.ts'
import { Slab } from '../../lib/amqp/slab.ts'
import { ID_SLOT, Slot, steadySlot, type TemplateFields, textSlot } from '../../lib/amqp/template-fields.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { amqplibBytes } from './amqplib-bytes.ts'

const ID = '6f1f1d0e-9d55-4b8a-9f0a-2b8f5d0f7c11'
/** The smallest frame that a peer may ask for, in bytes. */
const SMALL_FRAME = 4_096
const LARGE_FRAME = 131_072
const RUNS = { numRuns: 200 }

// --- What is generated ---------------------------------------------------------------------------------------------

/** Text of any UTF-16 units, so that lone surrogates are in it, and of any characters. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
)
const shortText = text.map((value) => {
  let end = value.length
  while (Buffer.byteLength(value.slice(0, end)) > 255) end--
  return value.slice(0, end)
})
const uuid = fc.uuid()

const EDGES = [7, 8, 15, 16, 31, 32, 49, 50, 51, 53, 62].flatMap((bits) => {
  return [2 ** bits - 1, 2 ** bits, -(2 ** bits), -(2 ** bits) - 1]
})
const number = fc.oneof(
  fc.constantFrom(0, -0, 0.5, -1.5, 2 ** 49 + 0.5, 2 ** 63, 1e300, Number.MAX_VALUE, Number.POSITIVE_INFINITY),
  fc.constantFrom(...EDGES),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }).filter((value) => Math.abs(value) < 2 ** 50),
)
const typed = fc.oneof(
  record(['byte', 'int8'], fc.integer({ min: -0x80, max: 0x7f })),
  record(['unsignedbyte', 'uint8'], fc.integer({ min: 0, max: 0xff })),
  record(['short', 'int16'], fc.integer({ min: -0x8000, max: 0x7fff })),
  record(['unsignedshort', 'uint16'], fc.integer({ min: 0, max: 0xffff })),
  record(['int', 'int32'], fc.integer()),
  record(['unsignedint', 'uint32'], fc.integer({ min: 0, max: 0xffff_ffff })),
  record(['long', 'int64'], fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))),
  record(['timestamp'], fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))),
  record(['float', 'double', 'float64'], fc.double()),
  record(['decimal'], fc.record({ places: fc.nat(255), digits: fc.nat(2 ** 31) })),
  record(['string'], text),
  record(['boolean'], fc.boolean()),
  record(['number'], number),
)

function record(types: string[], value: fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc.record({ '!': fc.constantFrom(...types), value })
}

/** An object as a headers table, which may have keys such as `__proto__`, `!` left out. */
function table(value: fc.Arbitrary<unknown>, maxLength: number): fc.Arbitrary<Record<string, unknown>> {
  const key = fc
    .oneof(shortText, fc.constantFrom('task', '__proto__', 'constructor', '7'))
    .filter((name) => name !== '!')
  return fc.array(fc.tuple(key, value), { maxLength }).map((entries) => tableOf(entries))
}

function tableOf(entries: [string, unknown][]): Record<string, unknown> {
  const headers: Record<string, unknown> = {}
  for (const [key, value] of entries)
    Object.defineProperty(headers, key, { value, enumerable: true, configurable: true })
  return headers
}

const { value: headerValue } = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    text,
    number,
    fc.boolean(),
    fc.constantFrom(null, ID_SLOT),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    typed,
  ),
  value: fc.oneof(
    { maxDepth: 3 },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 4 }),
    table(fc.oneof(tie('value'), fc.constant(undefined)), 4),
  ),
}))

const TEXT_SLOTS = [textSlot, steadySlot].flatMap((first) => {
  return [textSlot, steadySlot].map((second) => [first(1), second(2)])
})
const TEXT_KEYS = ['argsrepr', 'kwargsrepr']

/** Headers with text slots between, before and behind what does not vary. */
const headers = fc
  .tuple(table(headerValue, 6), table(headerValue, 3), fc.subarray([0, 1]), fc.constantFrom(...TEXT_SLOTS))
  .map(([before, after, slots, slotsByValue]) => {
    const all: Record<string, unknown> = before
    for (const slot of slots) all[TEXT_KEYS[slot] as string] = slotsByValue[slot]
    for (const key of Object.keys(after)) {
      Object.defineProperty(all, key, { value: after[key], enumerable: true, configurable: true })
    }
    return all
  })

const properties = fc.record(
  {
    contentType: shortText,
    contentEncoding: shortText,
    headers,
    deliveryMode: fc.constantFrom(0, 1, 2),
    priority: fc.nat(255),
    correlationId: fc.oneof(shortText, fc.constant(ID_SLOT)),
    replyTo: shortText,
    expiration: fc.nat().map(String),
    messageId: shortText,
    timestamp: fc.maxSafeNat(),
    type: shortText,
    userId: shortText,
    appId: shortText,
  },
  { requiredKeys: [] },
)

const fields: fc.Arbitrary<TemplateFields> = fc.record({
  exchange: shortText,
  routingKey: shortText,
  mandatory: fc.boolean(),
  properties: properties as fc.Arbitrary<TemplateFields['properties']>,
})

const longText = fc.tuple(text, fc.nat(120)).map(([part, times]) => part.repeat(times))
const values = fc.tuple(uuid, fc.oneof(text, longText), fc.oneof(text, longText))

function body(frameMax: number): fc.Arbitrary<string | Buffer> {
  const payload = frameMax - 8
  const edge = fc.constantFrom(0, 1, 47, 48, 49, payload - 1, payload, payload + 1, 2 * payload, 2 * payload + 1)
  const size = fc.oneof(edge, fc.nat(3 * payload))
  return fc.oneof(
    text,
    size.map((bytes) => 'x'.repeat(bytes)),
    // Of these characters each takes two, three or four bytes, or is half of a pair.
    fc.tuple(size, fc.constantFrom('é', '世', '😀', '\ud83d', '\ude00')).map(([bytes, letter]) => {
      return letter.repeat(Math.round(bytes / Buffer.byteLength(letter)))
    }),
    size.map((bytes) => Buffer.alloc(bytes, 'celery')),
  )
}

// --- What is expected ----------------------------------------------------------------------------------------------

/** The value with its slots filled, and no number that Python misreads in the headers, by a way of its own. */
function filled(value: unknown, filling: readonly string[], isHeader = false): unknown {
  if (value instanceof Slot) return filling[value.value]
  if (isHeader && Number.isInteger(value)) {
    const number = value as number
    const isByte = number >= 0 && number <= 127
    return !isByte && number >= -32_768 && number <= 32_767 ? { '!': 'int32', value } : value
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  if (Array.isArray(value)) return value.map((item) => filled(item, filling, isHeader))
  const isPlain = !Object.hasOwn(value, '!')
  const typed = value as { '!'?: unknown; value?: unknown }
  if (isHeader && !isPlain && typed['!'] === 'number') return filled(typed.value, filling, true)
  return tableOf(
    Object.entries(value).map(([key, item]) => [
      key,
      filled(item, filling, key === 'headers' || (isHeader && isPlain)),
    ]),
  )
}

function expectedBytes(template: TemplateFields, filling: Filling, channel: number, frameMax: number): Buffer {
  const { exchange, routingKey, mandatory } = template
  const options = { ...(filled(template.properties, filling.values) as object), mandatory }
  return amqplibBytes(channel, frameMax, [exchange, routingKey, Buffer.from(filling.body), options])
}

/** Writes at the end of a slab, where it has the room promised and not a byte more, and checks what is before it. */
function written(template: PublishTemplate, filling: Filling, channel: number, frameMax: number): Buffer {
  const room = template.maxBytes(filling, frameMax)
  const slab = new Slab(room)
  const at = slab.bytes.length - room
  slab.bytes.fill(0xaa, slab.start)
  const end = template.write(slab, at, channel, filling, frameMax)
  expect(end - at).toBeLessThanOrEqual(room)
  expect(slab.bytes.subarray(slab.start, at).every((byte) => byte === 0xaa)).toBe(true)
  return slab.bytes.subarray(at, end)
}

function headerFrameBytes(frames: Buffer): number {
  const header = 8 + frames.readUInt32BE(3)
  return 8 + frames.readUInt32BE(header + 3)
}

function errorOf(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

const TOO_LARGE = { code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent', retryable: false }

const noProperties = { exchange: '', routingKey: 'q', mandatory: false, properties: {} }

function withHeaders(headers: Record<string, unknown>): TemplateFields {
  return { ...noProperties, properties: { headers } }
}

// --- The promises --------------------------------------------------------------------------------------------------

test('the bytes of any message are those of amqplib, or neither can encode it', () => {
  const frameMax = fc.constantFrom(SMALL_FRAME, 8_192, LARGE_FRAME)
  const message = frameMax.chain((max) => fc.tuple(fc.constant(max), body(max)))
  const channel = fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constantFrom(1, 255, 256, 65_535))
  const property = fc.property(fields, values, message, channel, (fields, values, [max, body], ch) => {
    const filling = { values, body }
    const template = new PublishTemplate(fields)
    const expected = expectedBytes(fields, filling, ch, max)
    // amqplib writes frames that no peer takes.
    if (headerFrameBytes(expected) > max) {
      expect(errorOf(() => written(template, filling, ch, max))).toMatchObject(TOO_LARGE)
      return
    }
    expect(written(template, filling, ch, max).equals(expected)).toBe(true)
  })
  fc.assert(property, RUNS)
})

test('text as long as the scratch area, of any characters, is not taken for ASCII', () => {
  const fields = withHeaders({ id: ID_SLOT, note: textSlot(1) })
  const template = new PublishTemplate(fields)
  const scratchBytes = new Slab().scratch.length
  const special = fc.array(fc.tuple(fc.nat(scratchBytes), fc.constantFrom('é', '世', '😀', '\ud83d')), { maxLength: 4 })
  const property = fc.property(fc.integer({ min: -6, max: 2 }), special, fc.boolean(), (offset, special, isLate) => {
    const units = Array<string>(scratchBytes - ID.length + offset).fill('x')
    for (const [at, letter] of special) units[isLate ? units.length - 1 - (at % 5) : at % units.length] = letter
    const text = units.join('').slice(0, units.length)
    const filling = { values: [ID, text.slice(0, 1_000)], body: text.slice(1_000) }
    expect(written(template, filling, 1, LARGE_FRAME).equals(expectedBytes(fields, filling, 1, LARGE_FRAME))).toBe(true)
  })
  fc.assert(property, RUNS)
})

test('the arguments for publish of any message encode to the same bytes', () => {
  const property = fc.property(fields, values, body(SMALL_FRAME), (fields, values, body) => {
    const filling = { values, body }
    const given = amqplibBytes(7, SMALL_FRAME, new PublishTemplate(fields).publishArguments(filling))
    expect(given.equals(expectedBytes(fields, filling, 7, SMALL_FRAME))).toBe(true)
  })
  fc.assert(property, RUNS)
})

test.each([
  ['texts', textSlot],
  ['steady texts', steadySlot],
] as const)('one template writes many messages, each with its own ids, %s and body', (_, slot) => {
  const fields = {
    exchange: 'celery',
    routingKey: 'math',
    mandatory: true,
    properties: {
      headers: { id: ID_SLOT, root_id: ID_SLOT, argsrepr: slot(1), lang: 'py', kwargsrepr: textSlot(2), end: ID_SLOT },
      correlationId: ID_SLOT,
    },
  }
  const template = new PublishTemplate(fields)
  const property = fc.property(fc.array(fc.tuple(values, body(SMALL_FRAME)), { maxLength: 5 }), (messages) => {
    // Each twice, and in both orders: a steady text stays, comes back, and becomes another of the same length.
    const twice = [...messages, ...messages.toReversed()].flatMap(([values, body]) => {
      const reversed = [values[0], [...values[1]].toReversed().join(''), values[2]]
      return [values, values, reversed].map((values) => ({ values, body }))
    })
    for (const filling of twice) {
      expect(written(template, filling, 3, LARGE_FRAME).equals(expectedBytes(fields, filling, 3, LARGE_FRAME))).toBe(
        true,
      )
    }
  })
  fc.assert(property, { numRuns: 100 })
})

const SLOTS: TemplateFields = {
  ...noProperties,
  mandatory: true,
  properties: {
    headers: { id: ID_SLOT, lang: textSlot(1), root_id: ID_SLOT, group: steadySlot(2), end: ID_SLOT },
    correlationId: ID_SLOT,
  },
}
const NUMBERS = withHeaders({
  numbers: [0, 127, 128, -1, 0x7fff, 0x8000, -0x8000, -0x8001, 0.5],
  typed: { '!': 'short', value: 300 },
  number: { '!': 'number', value: 300 },
  nested: { deep: [{ n: -300 }], headers: { n: 300 }, value: 300 },
  others: [null, true, Buffer.from('bytes')],
  none: undefined,
})
Object.assign(NUMBERS.properties, { priority: 200, timestamp: 300, type: undefined })

test.each<[string, TemplateFields, Filling]>([
  ['of nothing', noProperties, { values: [], body: '' }],
  ['of no bytes', noProperties, { values: [], body: Buffer.alloc(0) }],
  ['of ASCII', SLOTS, { values: [ID, 'py', 'g'], body: 'body' }],
  ['of texts that are empty', SLOTS, { values: [ID, '', ''], body: '' }],
  ['of a text beyond ASCII', SLOTS, { values: [ID, 'é世', 'g'], body: 'body' }],
  ['of a steady text beyond ASCII', SLOTS, { values: [ID, 'py', '😀'], body: 'body' }],
  ['of a body beyond ASCII', SLOTS, { values: [ID, 'py', 'g'], body: 'b\u00fdte' }],
  ['of bytes', SLOTS, { values: [ID, 'py', 'g'], body: Buffer.from('body') }],
  ['too long to be encoded in one', SLOTS, { values: [ID, 'py'.repeat(2_500), 'g'], body: 'body' }],
  ['too long, and beyond ASCII', SLOTS, { values: [ID, 'é'.repeat(1_000), 'g'], body: 'é'.repeat(9_000) }],
  ['of numbers of all sizes', NUMBERS, { values: [], body: 'n' }],
])('a message %s has the bytes of amqplib, and its arguments have too', (_, fields, filling) => {
  const template = new PublishTemplate(fields)
  const expected = expectedBytes(fields, filling, 258, SMALL_FRAME * 2)

  expect(written(template, filling, 258, SMALL_FRAME * 2).equals(expected)).toBe(true)
  expect(amqplibBytes(258, SMALL_FRAME * 2, template.publishArguments(filling)).equals(expected)).toBe(true)
})

test.each([
  ['a header called `!`', { '!': 'number', value: 300 }],
  ['a table that is called one', { typed: { '!': 'object', value: { n: 300, list: [-300] } } }],
  ['a typed number that is called an object', { typed: { '!': 'object', value: { '!': 'short', value: 300 } } }],
  ['a table of headers', { headers: { n: 300, value: [300] } }],
])('%s has the same bytes on both paths', (_, headers) => {
  const template = new PublishTemplate(withHeaders(headers))
  const filling = { values: [], body: '' }

  expect(amqplibBytes(1, LARGE_FRAME, template.publishArguments(filling))).toEqual(
    written(template, filling, 1, LARGE_FRAME),
  )
})

test('text that fills the room for ASCII to the last byte, but is not read to its end, is not taken for it', () => {
  const scratchBytes = new Slab().scratch.length
  const body = `é${'x'.repeat(scratchBytes - ID.length - 1)}`
  const filling = { values: [ID], body }
  const fields = withHeaders({ id: ID_SLOT })

  const frames = written(new PublishTemplate(fields), filling, 1, LARGE_FRAME)
  expect(frames.equals(expectedBytes(fields, filling, 1, LARGE_FRAME))).toBe(true)
})

test('the arguments for publish have no headers where the message has none', () => {
  const [, , , options] = new PublishTemplate(noProperties).publishArguments({ values: [], body: '' })
  expect(options).toEqual({ mandatory: false })
})

const PAYLOAD = SMALL_FRAME - 8

test.each([0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 2 * PAYLOAD, 2 * PAYLOAD + 1, 3 * PAYLOAD])(
  'a body of %p bytes goes into as many frames as it needs, and room is asked for one more that is empty',
  (bytes) => {
    const template = new PublishTemplate(SLOTS)
    const note = '世'.repeat(40)
    // Of characters of three bytes no room is left over.
    const text = '世'.repeat(Math.floor(bytes / 3))
    for (const body of [Buffer.alloc(bytes, 'abc'), text]) {
      const filling = { values: [ID, note, note], body }
      const frames = written(template, filling, 1, SMALL_FRAME)
      expect(frames.equals(expectedBytes(SLOTS, filling, 1, SMALL_FRAME))).toBe(true)
      expect(template.maxBytes(filling, SMALL_FRAME) - frames.length).toBe(8)
    }
  },
)

test('a message holds nothing of a template that it shares but what it is told, and all of its own', () => {
  const { length } = written(new PublishTemplate(noProperties), { values: [], body: '' }, 1, LARGE_FRAME)

  expect(new PublishTemplate(noProperties).heldBytes).toBe(0)
  expect(new PublishTemplate(noProperties, true, 600).heldBytes).toBe(600)
  expect(new PublishTemplate(noProperties, false, 600).heldBytes).toBe(length + 2_048)
})

test('messages written one behind the other are the frames of each in turn', () => {
  const template = new PublishTemplate(withHeaders({ id: ID_SLOT, note: textSlot(1) }))
  const fillings = ['', 'a', 'é'.repeat(5_000)].map((body, i) => ({ values: [ID, '世'.repeat(i * 40)], body }))
  const slab = new Slab()
  let end = slab.start
  for (const filling of fillings) end = template.write(slab, end, 9, filling, SMALL_FRAME)

  const alone = fillings.map((filling) => expectedBytes(template.fields, filling, 9, SMALL_FRAME))
  expect(slab.bytes.subarray(slab.start, end).equals(Buffer.concat(alone))).toBe(true)
})

test('an undefined header and an undefined property are left out', () => {
  const fields = { ...noProperties, properties: { headers: { a: undefined, b: 1 }, type: undefined } }
  const filling = { values: [ID], body: '' }

  const template = new PublishTemplate(fields as never)
  const frames = written(template, filling, 1, LARGE_FRAME)
  expect(frames).toEqual(expectedBytes(withHeaders({ b: 1 }), filling, 1, LARGE_FRAME))
  expect(template.publishArguments(filling)[3].headers).toStrictEqual({ b: 1 })
})

test('inherited headers are sent, as amqplib sends them', () => {
  const fields = withHeaders(
    Object.create({ inherited: 'yes', hidden: 'no' }, { hidden: { value: 1, enumerable: true } }),
  )
  const filling = { values: [ID], body: '' }
  const template = new PublishTemplate(fields)
  const { exchange, routingKey, properties } = fields
  const expected = amqplibBytes(1, LARGE_FRAME, [exchange, routingKey, Buffer.alloc(0), properties as never])

  expect(written(template, filling, 1, LARGE_FRAME)).toEqual(expected)
  expect(amqplibBytes(1, LARGE_FRAME, template.publishArguments(filling))).toEqual(expected)
})

test.each([
  ['a function', () => {}],
  ['a bigint', 1n],
  ['a symbol', Symbol('s')],
  ['NaN', Number.NaN],
  ['minus infinity', Number.NEGATIVE_INFINITY],
  ['an integer below 64 bits', -(2 ** 64)],
  ['undefined in an array', [undefined]],
  ['an unknown type', { '!': 'quaternion', value: 1 }],
  ['a byte out of range', { '!': 'byte', value: 128 }],
  ['a fraction as a long', { '!': 'long', value: 1.5 }],
  ['a number named a string', { '!': 'string', value: 5 }],
  ['a decimal without its parts', { '!': 'decimal', value: {} }],
  ['a decimal of 256 places', { '!': 'decimal', value: { places: 256, digits: 1 } }],
  ['a decimal of nothing', { '!': 'decimal', value: null }],
])('a header that is %s is refused, by amqplib too', (_, value) => {
  const fields = withHeaders({ value })

  expect(() => expectedBytes(fields, { values: [ID], body: '' }, 1, LARGE_FRAME)).toThrow()
  const error = errorOf(() => new PublishTemplate(fields))
  expect(error).toBeInstanceOf(PooledProducerError)
  expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', outcome: 'not-sent', cause: expect.anything() })
})

test('a header name of over 255 bytes is refused', () => {
  const fields = withHeaders({ ['é'.repeat(128)]: 1 })
  expect(errorOf(() => new PublishTemplate(fields))).toMatchObject({ code: 'ERR_INVALID_OPTION', outcome: 'not-sent' })
})

test('headers that hold themselves are refused', () => {
  const headers: Record<string, unknown> = {}
  headers.self = headers
  expect(errorOf(() => new PublishTemplate(withHeaders(headers)))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
})

test('a text slot inside a nested header is refused, for its length is not known ahead', () => {
  for (const nested of [{ inner: textSlot(1) }, [textSlot(1)]]) {
    expect(errorOf(() => new PublishTemplate(withHeaders({ nested })))).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: 'the headers cannot be encoded: a text slot can only stand for a whole header',
      outcome: 'not-sent',
    })
  }
})

test('a message whose template has no slots needs no values', () => {
  const fields = withHeaders({ a: 'text' })
  const filling = { values: [], body: 'body' }
  const frames = written(new PublishTemplate(fields), filling, 1, LARGE_FRAME)

  expect(frames.equals(expectedBytes(fields, filling, 1, LARGE_FRAME))).toBe(true)
})

describe('sizes', () => {
  // Length of the table, of a key of one letter, of a type and of a string.
  const tableOverhead = 4 + 2 + 1 + 4

  test('headers of 64 KiB are taken, and a byte more is too large for the constructor', () => {
    const largest = withHeaders({ h: 'x'.repeat(65_536 - tableOverhead) })
    const filling = { values: [ID], body: '' }
    const frames = written(new PublishTemplate(largest), filling, 1, LARGE_FRAME)
    expect(frames.equals(expectedBytes(largest, filling, 1, LARGE_FRAME))).toBe(true)

    const tooLarge = withHeaders({ h: 'x'.repeat(65_536 - tableOverhead + 1) })
    expect(errorOf(() => new PublishTemplate(tooLarge))).toMatchObject({
      ...TOO_LARGE,
      message: 'the headers take 65537 bytes, and 65536 at most can be sent',
    })
    expect(() => expectedBytes(tooLarge, filling, 1, LARGE_FRAME)).toThrow(RangeError)
  })

  test('headers of 64 KiB with their text are taken, and a byte more is too large for write and checkSize', () => {
    const template = new PublishTemplate(withHeaders({ h: textSlot(1) }))
    const room = 65_536 - tableOverhead
    const fits = { values: [ID, 'x'.repeat(room)], body: 'b' }
    template.checkSize(fits, LARGE_FRAME)
    const frames = written(template, fits, 1, LARGE_FRAME)
    expect(frames.equals(expectedBytes(template.fields, fits, 1, LARGE_FRAME))).toBe(true)

    for (const text of ['x'.repeat(room + 1), 'é'.repeat(room / 2 + 1)]) {
      const tooLarge = { values: [ID, text], body: 'b' }
      expect(errorOf(() => written(template, tooLarge, 1, LARGE_FRAME))).toMatchObject(TOO_LARGE)
      expect(errorOf(() => template.checkSize(tooLarge, LARGE_FRAME))).toMatchObject(TOO_LARGE)
    }
  })

  test('a header frame as large as the broker takes is written, and a byte more is too large', () => {
    // The frame, class, weight, size and flags around the table.
    const room = SMALL_FRAME - 8 - 14 - tableOverhead
    const constant = new PublishTemplate(withHeaders({ h: 'x'.repeat(room) }))
    const varying = new PublishTemplate(withHeaders({ h: textSlot(1) }))
    const filling = (length: number): Filling => ({ values: [ID, 'x'.repeat(length)], body: 'b' })
    for (const template of [constant, varying]) {
      const frames = written(template, filling(room), 1, SMALL_FRAME)
      template.checkSize(filling(room), SMALL_FRAME)
      expect(headerFrameBytes(frames)).toBe(SMALL_FRAME)
    }

    const larger = new PublishTemplate(withHeaders({ h: 'x'.repeat(room + 1) }))
    const refusal = { ...TOO_LARGE, message: 'the headers take a frame of 4097 bytes; the broker takes 4096' }
    for (const template of [larger, varying]) {
      expect(errorOf(() => written(template, filling(room + 1), 1, SMALL_FRAME))).toMatchObject(refusal)
      expect(errorOf(() => template.checkSize(filling(room + 1), SMALL_FRAME))).toMatchObject(refusal)
    }
  })

  test('write and checkSize agree on every message', () => {
    const property = fc.property(fields, values, body(SMALL_FRAME), (fields, values, body) => {
      const template = new PublishTemplate(fields)
      const filling = { values, body }
      const codes = [
        () => written(template, filling, 1, SMALL_FRAME),
        () => template.checkSize(filling, SMALL_FRAME),
      ].map((run) => {
        try {
          run()
          return 'none'
        } catch (error) {
          return (error as PooledProducerError).message
        }
      })
      expect(codes[0]).toBe(codes[1])
    })
    fc.assert(property, RUNS)
  })
})

test('frozen headers are not touched, and each message gets objects of its own', () => {
  const headers = Object.freeze({ id: ID_SLOT, note: textSlot(1), list: Object.freeze([1, Object.freeze({ a: 1 })]) })
  const fields = Object.freeze({ ...noProperties, properties: Object.freeze({ headers, correlationId: ID_SLOT }) })
  const before = JSON.stringify(fields)
  const template = new PublishTemplate(fields)
  const filling = { values: [ID, 'n'], body: 'b' }
  const [first, second] = [template.publishArguments(filling)[3], template.publishArguments(filling)[3]]
  // A tracer writes its own headers into what it is given, over others and in their place.
  Object.assign(first.headers as object, { traceparent: '00-1', note: 'traced' })
  delete (first.headers as { id?: unknown }).id
  ;(first.headers as { list: unknown[] }).list.push(2)

  expect(second).toEqual({
    headers: { id: ID, note: 'n', list: [1, { a: 1 }] },
    correlationId: ID,
    mandatory: false,
  })
  expect(JSON.stringify(fields)).toBe(before)
})

test('a Buffer is published as it is, without a copy', () => {
  const body = Buffer.from('b')
  expect(new PublishTemplate(noProperties).publishArguments({ values: [ID], body })[2]).toBe(body)
})
