import { expect, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { fateOf, ProofLedger, sumOf } from './proof-counts.ts'

test('each message is counted by what its publisher was told and by what the queue held', () => {
  const ledger = new ProofLedger()
  const fates = ['confirmed', 'confirmed', 'unknown', 'unknown', 'not-sent', 'returned', 'nacked'] as const
  fates.forEach((fate, id) => {
    ledger.attempted(id)
    ledger.settled(id, fate)
  })
  ledger.attempted(7)
  for (const id of [0, 0, 0, 2, 7]) ledger.stored(id)

  expect(ledger.counts()).toEqual({
    ...{ attempt: 8, confirmed: 2, nacked: 1, returned: 1, notSent: 1, unknown: 2 },
    ...{ consumed: 5, lost: 1, unexpected: 0, duplicated: 2, recovered: 1, unsettled: 1 },
  })
})

test('what is in a queue though nobody sent it, or though its publisher was told otherwise, is unexpected', () => {
  const ledger = new ProofLedger()
  ledger.attempted(0)
  ledger.settled(0, 'not-sent')
  for (const id of [0, 1, 5_000, -1, Number.NaN]) ledger.stored(id)

  expect(ledger.counts()).toMatchObject({ attempt: 1, consumed: 5, unexpected: 5 })
})

test('a second outcome, or one without an attempt, is an error of the run', () => {
  const ledger = new ProofLedger()
  ledger.attempted(0)
  ledger.settled(0, 'confirmed')

  expect(() => ledger.settled(0, 'unknown')).toThrow('message 0 has two outcomes')
  expect(() => ledger.settled(1, 'unknown')).toThrow('never attempted')
})

test('the ledger grows with the ids, and the counts of several are summed', () => {
  const ledgers = [new ProofLedger(), new ProofLedger()]
  for (const ledger of ledgers) {
    for (let id = 0; id < 3_000; id++) {
      ledger.attempted(id)
      ledger.settled(id, 'confirmed')
      ledger.stored(id)
    }
  }

  const sum = sumOf(ledgers.map((ledger) => ledger.counts()))

  expect(sum).toMatchObject({ attempt: 6_000, confirmed: 6_000, consumed: 6_000, lost: 0, duplicated: 0 })
})

test.each([
  ['ERR_UNROUTABLE', 'refused', 'returned'],
  ['ERR_NACKED', 'refused', 'nacked'],
  ['ERR_CHANNEL_CLOSED', 'refused', 'nacked'],
  ['ERR_BROKER_UNAVAILABLE', 'not-sent', 'not-sent'],
  ['ERR_PUBLISH_TIMEOUT', 'unknown', 'unknown'],
] as const)('%s with the outcome %s is counted as %s', (code, outcome, fate) => {
  expect(fateOf(new PooledProducerError(code, 'x', { outcome }))).toBe(fate)
})
