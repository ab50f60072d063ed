import { expect, test } from '@jest/globals'
import { describe } from '../lib/shown-value.ts'

test('a value is described on one line, however long or strange it is', () => {
  expect(describe('a\nb')).toBe('"a\\nb"')
  expect(describe('x'.repeat(1_000))).toBe(`"${'x'.repeat(60)}..."`)
  expect(describe(undefined)).toBe('undefined')
  expect(describe(-0.5)).toBe('-0.5')
  expect(describe(Object.create(null))).toBe('an object')
  expect(describe(new (class Task {})())).toBe('an instance of Task')
  expect(describe(new (class {})())).toBe('an object')
})
