import { expect, test } from '@jest/globals'
import { Counters, figuresOf } from '../../lib/pool/stats.ts'

test('failures are counted in all, and by their code', () => {
  const counters = new Counters()
  for (const code of ['ERR_NACKED', 'ERR_UNROUTABLE', 'ERR_NACKED'] as const) counters.countFailure(code)

  expect(counters.failures).toBe(3)
  expect([...counters.failuresByCode]).toEqual([
    ['ERR_NACKED', 2],
    ['ERR_UNROUTABLE', 1],
  ])
})

test('leases are numbered from 1, and the most at once and their waits are kept', () => {
  const counters = new Counters()
  expect([counters.countLease(1, 4), counters.countLease(3, 9), counters.countLease(2, 1)]).toEqual([1, 2, 3])

  const { leases, maxLeased, waitMs } = figuresOf(counters)
  expect({ leases, maxLeased, max: waitMs.max }).toEqual({ leases: 3, maxLeased: 3, max: 9 })
})

test('a pool that has done nothing has figures of 0', () => {
  const none = { p50: 0, p99: 0, max: 0 }
  expect(figuresOf(new Counters())).toEqual({
    publishes: 0,
    confirms: 0,
    failures: 0,
    retries: 0,
    returns: 0,
    leases: 0,
    channelsOpened: 0,
    channelsClosed: 0,
    publishesPerChannel: 0,
    reuseRatio: 0,
    waitMs: none,
    confirmMs: none,
    maxLeased: 0,
  })
})

test.each([
  [8, 2, 4, 0.75],
  [2, 8, 0.25, 0],
  [5, 0, 0, 1],
  [0, 2, 0, 0],
])(
  'of %d publishes over %d channels there are %d per channel, and the reuse is %d',
  (publishes, opened, each, reuse) => {
    const counters = Object.assign(new Counters(), { publishes, channelsOpened: opened })
    expect(figuresOf(counters)).toMatchObject({ publishesPerChannel: each, reuseRatio: reuse })
  },
)
