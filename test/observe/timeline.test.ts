import { expect, test } from '@jest/globals'
import { doubled, Timeline, type TimelineFigures } from '../../lib/observe/timeline.ts'
import { START_MS } from './written-log.ts'

const DAY_MS = 86_400_000

function sums({ buckets }: TimelineFigures): { publishes: number; opened: number } {
  return buckets.reduce(
    (sum, { publishes, channelsOpened }) => ({
      publishes: sum.publishes + publishes,
      opened: sum.opened + channelsOpened,
    }),
    { publishes: 0, opened: 0 },
  )
}

test('publishes are spread evenly over the time in which they happened', () => {
  const timeline = new Timeline()

  timeline.addPublishes(10, START_MS, START_MS + 4_000)

  const { bucketMs, buckets } = timeline.result()
  expect(bucketMs).toBe(1_000)
  expect(buckets.map(({ publishes }) => publishes)).toEqual([3, 2, 3, 2])
})

test('a year fits into sixty stretches and nothing is lost', () => {
  const timeline = new Timeline()
  for (let day = 0; day < 365; day += 1) {
    const timeMs = START_MS + day * DAY_MS
    timeline.add('channelsOpened', timeMs)
    timeline.addPublishes(1_001, timeMs, timeMs + DAY_MS)
  }

  const result = timeline.result()

  expect(result.buckets.length).toBeLessThanOrEqual(60)
  expect(sums(result)).toEqual({ publishes: 365_365, opened: 365 })
})

test('times in any order give the same timeline', () => {
  const days = Array.from({ length: 200 }, (_, day) => START_MS + day * DAY_MS)
  const [forwards, backwards] = [new Timeline(), new Timeline()]

  for (const timeMs of days) forwards.add('channelsOpened', timeMs)
  for (const timeMs of days.toReversed()) backwards.add('channelsOpened', timeMs)

  expect(backwards.result()).toEqual(forwards.result())
})

test('stretches that are doubled hold the same sums', () => {
  const timeline = new Timeline()
  timeline.addPublishes(100, START_MS, START_MS + 30_000)
  timeline.add('channelsOpened', START_MS + 5_000)

  const wide = doubled(timeline.result())

  expect(wide.bucketMs).toBe(2_000)
  expect(wide.buckets).toHaveLength(15)
  expect(sums(wide)).toEqual({ publishes: 100, opened: 1 })
})
