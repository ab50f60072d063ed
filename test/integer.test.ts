import { expect, test } from '@jest/globals'
import { integer } from '../lib/integer.ts'

test('an integer within its bounds is given back', () => {
  expect(integer('n', 3, 3, 3)).toBe(3)
  expect(() => integer('n', 4, 3, 3)).toThrow('n must be an integer from 3 to 3, got 4')
})
