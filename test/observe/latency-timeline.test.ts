import { expect, test } from '@jest/globals'
import { LatencyTimeline } from '../../lib/observe/latency-timeline.ts'
import type { LogRecord } from '../../lib/observe/log-line.ts'

function record(timeMs: number | undefined, confirmMs: unknown): LogRecord {
  return { event: 'publish.confirm', pool: 'p', pid: 1, hostname: 'h', timeMs, fields: { confirmMs } }
}

test('without a latency in the log there are no points', () => {
  const timeline = new LatencyTimeline()
  timeline.addConfirm(record(1_000, 'soon'))
  timeline.addConfirm(record(undefined, 3))
  timeline.addSummary(record(1_000, { p50: 1 }))

  expect(timeline.result()).toEqual({ from: null, points: [] })
})

test('debug lines are counted by the second, and by longer stretches when there are many', () => {
  const timeline = new LatencyTimeline()
  for (let second = 0; second < 100; second++) timeline.addConfirm(record(second * 1_000, second < 50 ? 2 : 8))

  const { from, points } = timeline.result()

  expect(from).toBe('lines')
  expect(points.length).toBeLessThanOrEqual(24)
  expect(points[0]?.max).toBe(2)
  expect(points.at(-1)?.max).toBe(8)
})

test('of many summaries some are kept, from the first to near the last', () => {
  const timeline = new LatencyTimeline()
  for (let minute = 0; minute < 1_000; minute++)
    timeline.addSummary(record(minute * 60_000, { p50: 1, p99: minute, max: 2_000 }))

  const { from, points } = timeline.result()

  expect(from).toBe('summary')
  expect(points.length).toBeLessThanOrEqual(120)
  expect(points[0]?.p99).toBe(0)
  expect(points.at(-1)?.p99).toBeGreaterThan(950)
})
