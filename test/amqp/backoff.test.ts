import { expect, test } from '@jest/globals'
import { backoffMs } from '../../lib/amqp/backoff.ts'

const ATTEMPTS = Array.from({ length: 2_000 }, (_, index) => index + 1)

test('the wait doubles from 100 to 1,000 ms', () => {
  const longest = ATTEMPTS.slice(0, 7).map((attempt) => backoffMs(attempt, () => 1))

  expect(longest).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000])
})

test('chance takes off up to a half', () => {
  expect(backoffMs(1, () => 0)).toBe(50)
  expect(backoffMs(3, () => 0.5)).toBe(300)
  expect(backoffMs(9, () => 0)).toBe(500)
})

test('every wait is a whole number of milliseconds within its bounds, however many attempts there were', () => {
  for (const attempt of ATTEMPTS) {
    const ms = backoffMs(attempt)
    expect(Number.isInteger(ms)).toBe(true)
    expect(ms).toBeGreaterThanOrEqual(50)
    expect(ms).toBeLessThanOrEqual(1_000)
  }
})

test('waits differ, so that producers do not come back in step', () => {
  expect(new Set(ATTEMPTS.map(() => backoffMs(5))).size).toBeGreaterThan(100)
})
