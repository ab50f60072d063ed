import { expect, test } from '@jest/globals'
import type { PoolStats } from '../../lib/pool/stats.ts'
import { sequence } from '../support/random.ts'
import { Arrivals } from './arrivals.ts'
import { encodeRecord } from './journal.ts'
import type { Fault } from './node-faults.ts'
import { proofOf } from './proof.ts'
import type { PublisherProcess } from './publisher-process.ts'
import { type Evidence, resultOf } from './result.ts'
import { type Scope, type Strike, Strikes } from './strikes.ts'

const GOOD: Strike = {
  kinds: ['node-kill'],
  scope: 'cluster',
  resumedMs: 400,
  probeMs: 30,
  isInTime: true,
  isRestored: true,
}
const STATS = { retries: 3, channelsOpened: 5, channelsClosed: 4 } as PoolStats
const FIGURES = { stats: STATS, maxConfirmGapMs: 700, eventLoopDelayP99: 2, rssBytes: 100 * 2 ** 20 }

/** A run of ten tasks in which all went well, but for what is given. */
function evidence(change: Partial<Evidence> = {}, arrivedTasks = 10): Evidence {
  const records = Uint32Array.from({ length: 10 }, (_, task) => encodeRecord({ task, fate: 'confirmed' }))
  const arrivals = new Arrivals(1)
  for (let task = 0; task < arrivedTasks; task++) arrivals.note(0, task)
  const proof = proofOf([{ attempted: 10, records, killed: [] }], arrivals)
  return {
    ...{ seed: 1, minutes: 1, window: 2, elapsedMs: 1_000, complaints: [], versions: {} },
    ...{ proof, strikes: [GOOD], figures: [FIGURES, FIGURES] },
    ...change,
  }
}

test('a run in which nothing was lost and everything went on passes, with its figures', () => {
  const slow: Strike = { ...GOOD, kinds: ['node-kill', 'reset'], resumedMs: 900, probeMs: 80 }

  expect(resultOf(evidence({ strikes: [GOOD, slow] }))).toMatchObject({
    ...{ passed: true, reasons: [], faults: 3, faultsByKind: { 'node-kill': 2, reset: 1 }, tasksPerSecond: 10 },
    ...{
      recoveryMs: { cluster: 900, network: 0, publisher: 0 },
      slowestProbeMs: 80,
      maxConfirmGapMs: 700,
      poolBaselineRestored: true,
    },
    ...{ retries: 6, channelsOpened: 10, channelsClosedByFault: 8, rssMiB: 100 },
  })
})

test('a run that lost one task does not pass', () => {
  expect(resultOf(evidence({}, 9))).toMatchObject({ passed: false, lost: 1, reasons: ['lost is 1, and must be 0'] })
})

test.each([
  ['arrived unasked', { proof: { ...evidence().proof, unexpected: 2 } }, 'unexpected is 2, and must be 0'],
  ['has no outcome', { proof: { ...evidence().proof, unsettled: 1 } }, 'unsettled is 1, and must be 0'],
  [
    'arrived more often than faults explain',
    { proof: { ...evidence().proof, duplicated: 3 } },
    '3 duplicates are more than 1 faults times the window of 2',
  ],
  ['was confirmed', { proof: { ...evidence().proof, confirmed: 0 } }, 'nothing was confirmed'],
  [
    'went on too late',
    { strikes: [{ ...GOOD, resumedMs: 10_001, isInTime: false }] },
    'publishing went on only 10001 ms after node-kill',
  ],
  [
    'did not go on',
    { strikes: [{ ...GOOD, resumedMs: undefined, isInTime: false }] },
    'publishing did not go on after node-kill',
  ],
  ['was complained of', { complaints: ['publisher 1 holds a socket'] }, 'publisher 1 holds a socket'],
])('a run in which something %s does not pass', (_, change, reason) => {
  expect(resultOf(evidence(change))).toMatchObject({ passed: false, reasons: [reason] })
})

test('every kind of fault is dealt before one comes again, in an order that the seed alone decides', async () => {
  const struck = async (seed: number): Promise<string[]> => {
    const kinds: string[] = []
    const made = (kind: string): Fault => {
      return async (random) => {
        kinds.push(`${kind} ${random(1_000)}`)
      }
    }
    const faults: Record<Scope, Record<string, Fault>> = {
      cluster: {},
      network: { reset: made('reset'), delay: made('delay') },
      publisher: { kill: made('kill') },
    }
    const publisher = { resumed: async () => 5, rest: async () => true, go: () => {} } as unknown as PublisherProcess
    const strikes = new Strikes(faults, [publisher], async () => 30, sequence(seed), 0)
    for (let times = 0; times < 6; times++) await strikes.next(() => {})
    return kinds
  }
  const kinds = await struck(7)

  expect(new Set(kinds.slice(0, 3).map((kind) => kind.split(' ')[0]))).toEqual(new Set(['reset', 'delay', 'kill']))
  expect(new Set(kinds.slice(3).map((kind) => kind.split(' ')[0]))).toEqual(new Set(['reset', 'delay', 'kill']))
  expect(await struck(7)).toEqual(kinds)
  expect(await struck(8)).not.toEqual(kinds)
})

test.each([
  [2_000, 30, true],
  [2_029, 30, true],
  [2_031, 30, false],
  [2_500, 600, true],
])('going on after %d ms, when a plain client needed %d ms, is in time: %s', async (resumedMs, probeMs, isInTime) => {
  const publisher = { resumed: async () => resumedMs, rest: async () => true, go: () => {} }
  const faults = { cluster: {}, network: { reset: async () => {} }, publisher: {} }
  const publishers = [publisher as unknown as PublisherProcess]
  const strikes = new Strikes(faults, publishers, async () => probeMs, sequence(1), 0)

  expect(await strikes.next(() => {})).toMatchObject({ resumedMs, probeMs, isInTime, isRestored: true })
})
