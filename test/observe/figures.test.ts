import { expect, test } from '@jest/globals'
import { counted, duration, percent, share } from '../../lib/observe/figures.ts'

test.each([
  [0, '0 ms'],
  [0.042, '0.04 ms'],
  [1.26, '1.3 ms'],
  [12.3, '12 ms'],
  [999, '999 ms'],
  [3_200, '3.2 s'],
  [240_000, '4 min'],
  [7_560_000, '2.1 h'],
  [9 * 86_400_000, '9 d'],
])('%d ms reads as %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test.each([
  [1, '100 %'],
  [0.99999, '99.99 %'],
  [0.57, '57 %'],
  [0, '0 %'],
  [-1, '-100 %'],
])('the ratio %d reads as %s, never rounded up to all', (ratio, text) => {
  expect(percent(ratio)).toBe(text)
})

test('a counted noun is in the plural unless there is one', () => {
  expect([counted(1, 'publish'), counted(0, 'lease'), counted(12_034, 'publish')]).toEqual([
    '1 publish',
    '0 leases',
    '12,034 publishes',
  ])
})

test.each([
  [0, '0 %'],
  [0.0042, '0.4 %'],
  [0.0994, '9.9 %'],
  [0.0996, '10 %'],
  [0.3149, '31 %'],
  [1, '100 %'],
])('a share of %d is %s', (ratio, text) => {
  expect(share(ratio)).toBe(text)
})
