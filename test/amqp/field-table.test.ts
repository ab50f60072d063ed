import { expect, test } from '@jest/globals'
import { ByteWriter } from '../../lib/amqp/byte-writer.ts'
import { isMisread, writeTable } from '../../lib/amqp/field-table.ts'

/** The bytes of a table, without its length. */
function fieldsOf(table: object): Buffer {
  const out = new ByteWriter()
  writeTable(out, table)
  return out.copy().subarray(4)
}

test.each([
  [-0x8001, false],
  [-0x8000, true],
  [-1, true],
  [0, false],
  [0x7f, false],
  [0x80, true],
  [0x7fff, true],
  [0x8000, false],
  [200.5, false],
])('whether Python misreads %d as amqplib writes it: %p', (value, misread) => {
  expect(isMisread(value)).toBe(misread)
})

test('the smallest integer of 32 bits is written with 32 bits', () => {
  expect(fieldsOf({ a: -0x80000000 })).toEqual(Buffer.from([1, 0x61, 0x49, 0x80, 0, 0, 0]))
})

test('a table within a table needs nobody who looks at its values', () => {
  expect(fieldsOf({ a: { b: true } })).toEqual(Buffer.from([1, 0x61, 0x46, 0, 0, 0, 4, 1, 0x62, 0x74, 1]))
})

test.each([
  [Symbol('s'), 'a header cannot hold a symbol'],
  [{ '!': 'colour', value: 1 }, 'a header cannot hold the type colour'],
  [
    { '!': 'decimal', value: { places: 1, digits: 0.5 } },
    'a decimal header needs places and digits, both whole numbers',
  ],
  [
    { '!': 'decimal', value: { places: 0.5, digits: 1 } },
    'a decimal header needs places and digits, both whole numbers',
  ],
])('of a value that no field can hold, it is said why', (value, text) => {
  expect(() => fieldsOf({ value })).toThrow(new TypeError(text))
})
