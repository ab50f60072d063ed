import { expect, test } from '@jest/globals'
import { LatencyHistogram } from '../../lib/observe/latency-histogram.ts'

const HOUR_MS = 3_600_000

test('an empty histogram says 0', () => {
  expect(new LatencyHistogram().summary()).toEqual({ p50: 0, p99: 0, max: 0 })
})

test.each([1, 10, 50, 90, 99, 99.9])('percentile %d is at most 1 %% off, from a microsecond to an hour', (p) => {
  const histogram = new LatencyHistogram()
  const values: number[] = []
  for (let value = 0.001; value < HOUR_MS; value *= 1.01) values.push(value)
  for (const value of values) histogram.record(value)

  const exact = values[Math.ceil((p / 100) * values.length) - 1] as number

  expect(Math.abs(histogram.percentile(p) - exact) / exact).toBeLessThan(0.01)
})

test('the largest is exact', () => {
  const histogram = new LatencyHistogram()
  for (const value of [0.25, 1_234.567, 3]) histogram.record(value)

  expect(histogram.percentile(100)).toBe(1_234.567)
  expect(histogram.summary().max).toBe(1_234.567)
})

test('no percentile is above the largest', () => {
  const histogram = new LatencyHistogram()
  histogram.record(4)

  expect(histogram.summary()).toEqual({ p50: 4, p99: 4, max: 4 })
})

test('one value recorded many times counts as often', () => {
  const histogram = new LatencyHistogram()
  histogram.recordMany(1, 98)
  histogram.recordMany(100, 2)

  expect(histogram.count).toBe(100)
  expect(histogram.percentile(98)).toBeCloseTo(1, 1)
  expect(histogram.percentile(99)).toBeGreaterThan(99)
})

test.each([0, -5, Number.NaN, 1e-9])('%d counts as the shortest', (value) => {
  const histogram = new LatencyHistogram()
  histogram.record(value)

  expect(histogram.count).toBe(1)
  expect(histogram.summary()).toEqual({ p50: 0, p99: 0, max: 0 })
})

test('a duration longer than an hour counts in the last bucket', () => {
  const histogram = new LatencyHistogram()
  histogram.record(30 * HOUR_MS)

  expect(histogram.summary()).toEqual({ p50: 30 * HOUR_MS, p99: 30 * HOUR_MS, max: 30 * HOUR_MS })
})

test('reset forgets everything', () => {
  const histogram = new LatencyHistogram()
  histogram.record(7)
  histogram.reset()
  histogram.record(2)

  expect(histogram.count).toBe(1)
  expect(histogram.summary().max).toBe(2)
})

test('cumulative counts say how many took no longer than each bound', () => {
  const histogram = new LatencyHistogram()
  for (const value of [0.3, 0.9, 3, 3, 40, 2 * HOUR_MS]) histogram.record(value)

  expect(histogram.cumulativeCounts([0.5, 1, 2, 5, 50, HOUR_MS])).toEqual([1, 2, 2, 4, 5, 5])
  expect(new LatencyHistogram().cumulativeCounts([1, 2])).toEqual([0, 0])
})

test('the sum is at most 1 % off', () => {
  const histogram = new LatencyHistogram()
  const values = Array.from({ length: 1_000 }, (_, index) => 0.01 * 1.01 ** index)
  for (const value of values) histogram.record(value)
  const exact = values.reduce((sum, value) => sum + value, 0)

  expect(Math.abs(histogram.sumMs() - exact) / exact).toBeLessThan(0.01)
  expect(new LatencyHistogram().sumMs()).toBe(0)
})
