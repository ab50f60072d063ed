import { expect, test } from '@jest/globals'
import { textTable } from '../../lib/cli/text-table.ts'

test('names stand on the left and numbers on the right, with no space at the end of a line', () => {
  const table = textTable(
    ['pool', 'publishes', 'reuse', 'end'],
    [
      ['default', '12,034', '99.98 %', 'open'],
      ['mail', '-', '5 %', ''],
    ],
  )

  expect(table.split('\n')).toEqual([
    'pool     publishes    reuse  end',
    'default     12,034  99.98 %  open',
    'mail             -      5 %',
  ])
})

test('a side that is asked for wins', () => {
  expect(textTable(['id', 'n'], [['1', 'a']], ['left', 'right'])).toBe('id  n\n1   a')
  expect(textTable(['id'], [['a'], ['bcd']], ['right'])).toBe(' id\n  a\nbcd')
})

test('a row that is short is filled up, and no rows leave the headers', () => {
  expect(textTable(['a', 'b'], [['x']])).toBe('a  b\nx')
  expect(textTable(['a', 'b'], [])).toBe('a  b')
})
