import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { amountTicks, place, roundUp, timeTicks } from '../../../lib/observe/page/scale.ts'

const MIDNIGHT = Date.UTC(2026, 10, 22)

test.each([
  [0, 1],
  [0.03, 0.05],
  [1, 1],
  [1.01, 2],
  [47, 50],
  [100, 100],
  [120_000, 200_000],
])('an axis for %d ends at %d', (value, end) => {
  expect(roundUp(value)).toBeCloseTo(end, 12)
})

test('times of day stand at round times', () => {
  const hour = { fromMs: MIDNIGHT + 60_000, toMs: MIDNIGHT + 3_660_000 }

  expect(timeTicks(hour).map(({ label }) => label)).toEqual(['00:15', '00:30', '00:45', '01:00'])
})

test('spans of any length have one to seven labels, in order and within the axis', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2_000, max: 5 * 365 * 86_400_000 }),
      fc.integer({ min: 0, max: 1e12 }),
      (ms, fromMs) => {
        const ticks = timeTicks({ fromMs, toMs: fromMs + ms })
        const places = ticks.map(({ at }) => at)
        expect(ticks.length).toBeGreaterThanOrEqual(1)
        expect(ticks.length).toBeLessThanOrEqual(7)
        expect(places).toEqual([...places].sort((a, b) => a - b))
        expect(places.every((at) => at >= 0 && at <= 1)).toBe(true)
      },
    ),
  )
})

test('what lies outside of a span stands at its end', () => {
  const span = { fromMs: 1_000, toMs: 2_000 }

  expect([0, 1_500, 9_000].map((timeMs) => place(timeMs, span))).toEqual([0, 0.5, 1])
  expect(place(1_000, { fromMs: 1_000, toMs: 1_000 })).toBe(0)
})

test('an axis of amounts is marked at its begin, its middle and its end', () => {
  expect(amountTicks(10, String)).toEqual([
    { at: 0, label: '0' },
    { at: 0.5, label: '5' },
    { at: 1, label: '10' },
  ])
})
