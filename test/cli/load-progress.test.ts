import { expect, test } from '@jest/globals'
import { progressText } from '../../lib/cli/load-progress.ts'

const forever = Number.POSITIVE_INFINITY

test('a count is shown as a bar with the share, the rate and the time left', () => {
  const text = progressText({ mode: 'pooled', done: 2_500, elapsedMs: 500, tasks: 10_000, timeLimitMs: forever })

  expect(text).toBe('pooled [######------------------] 25 %, 2,500 of 10,000, 5,000/s, 1.5 s left')
})

test('a time is shown as a bar of the time, with what was sent so far', () => {
  const text = progressText({ mode: 'pooled', done: 7_000, elapsedMs: 7_500, tasks: forever, timeLimitMs: 10_000 })

  expect(text).toBe('pooled [##################------] 75 %, 7,000, 933/s, 2.5 s left')
})

test('before the first task there is no guess at the time left, and after the last no bar beyond its end', () => {
  const begin = progressText({ mode: 'pooled', done: 0, elapsedMs: 0, tasks: 10, timeLimitMs: forever })
  const end = progressText({ mode: 'pooled', done: 5, elapsedMs: 2_000, tasks: forever, timeLimitMs: 1_000 })

  expect(begin).toBe('pooled [------------------------] 0 %, 0 of 10, 0/s')
  expect(end).toBe('pooled [########################] 100 %, 5, 3/s, 0 ms left')
})
