import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ByteWriter } from '../../../lib/amqp/byte-writer.ts'
import { writeTable } from '../../../lib/amqp/field-table.ts'
import { PROTOCOL_HEADERS, userHeaders } from '../../../lib/celery/message/task-headers.ts'

const circle: Record<string, unknown> = {}
circle.self = circle

test.each([
  [undefined, /^headers must be a plain object, got undefined$/],
  ['traceparent', /^headers must be a plain object, got "traceparent"$/],
  [{ a: undefined }, /^headers\.a must be a string, a number, a boolean, null, or .*, got undefined$/],
  [{ a: 1n }, /^headers\.a must be .*, got 1n$/],
  [{ a: () => 1 }, /^headers\.a must be .*, got a function$/],
  [{ a: Symbol('s') }, /^headers\.a must be .*, got a symbol$/],
  [{ a: new Date(0) }, /^headers\.a must be .*, got an instance of Date$/],
  [{ a: Buffer.from('x') }, /^headers\.a must be .*, got an instance of Buffer$/],
  [{ a: new Map() }, /^headers\.a must be .*, got an instance of Map$/],
  [{ a: Number.NaN }, /^headers\.a must be a whole number from -2\^31 to 2\^53 or a fraction below 2\^50, got NaN$/],
  [{ a: Number.NEGATIVE_INFINITY }, /^headers\.a must be a whole number/],
  [{ a: 2 ** 53 }, /^headers\.a must be a whole number/],
  [{ a: -(2 ** 31) - 1 }, /^headers\.a must be a whole number/],
  [{ a: ['\ud800'] }, /^headers\.a\[0\] holds half a pair of surrogates, got "\\ud800"$/],
  [{ a: { '\udc00': 1 } }, /^headers\.a has a name with half a pair of surrogates: "\\udc00"$/],
  [{ a: 2 ** 50 + 0.5 }, /^headers\.a must be a whole number/],
  [{ a: { b: [1, { c: undefined }] } }, /^headers\.a\.b\[1\]\.c must be .*, got undefined$/],
  [{ a: Object.assign([1], { 2: 3 }) }, /^headers\.a\[1\] must be .*, got undefined$/],
  [{ a: { '!': 'timestamp', value: 1 } }, /^headers\.a cannot hold the name !$/],
  [{ '!': 'x' }, /^headers cannot hold the name !$/],
  [JSON.parse('{"a": {"__proto__": 1}}'), /^headers\.a cannot hold the name __proto__$/],
  [JSON.parse('{"__proto__": {"x": 1}}'), /^headers\.__proto__ is one of/],
  [{ _children: [] }, /^headers\._children begins with _, and would harm the worker$/],
  [{ _get_custom_headers: 1 }, /^headers\._get_custom_headers begins with _/],
  [{ ['n'.repeat(256)]: 1 }, /^headers has a name of more than 255 bytes: "n{60}\.\.\."$/],
  [{ a: { ['é'.repeat(128)]: 1 } }, /^headers\.a has a name of more than 255 bytes/],
  [{ circle }, /^headers\.circle(\.self){49} is nested deeper than 50 levels$/],
])('headers such as %p are refused', (headers, message) => {
  expect(() => userHeaders(headers)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_TASK', outcome: 'not-sent', message: expect.stringMatching(message) }),
  )
})

test.each([...PROTOCOL_HEADERS])("%s is Celery's own", (name) => {
  expect(() => userHeaders({ [name]: 'x' })).toThrow(`headers.${name} is one of Celery's own headers and cannot be set`)
})

test('headers are copied and frozen through and through', () => {
  const headers = { text: 'é', none: null, flag: false, list: [1, [2]], table: { rate: 0.5, big: 2 ** 53 - 1 } }

  const copy = userHeaders(headers)

  expect(copy).toEqual(headers)
  expect(copy.table).not.toBe(headers.table)
  for (const part of [copy, copy.list, copy.table]) expect(Object.isFrozen(part)).toBe(true)
})

test('what passes can be encoded', () => {
  const numbers = [0, -1, 2 ** 53 - 1, -(2 ** 31), 2 ** 50 - 0.25, -(2 ** 50) + 0.25, 5e-324]
  expect(() => writeTable(new ByteWriter(), userHeaders({ numbers }))).not.toThrow()

  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), (headers) => {
      let copy: object
      try {
        copy = userHeaders(headers)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INVALID_TASK' })
        return
      }
      expect(copy).toEqual(headers)
      expect(() => writeTable(new ByteWriter(), copy)).not.toThrow()
    }),
  )
})
