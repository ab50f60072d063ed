import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { afterTest } from '../support/cleanup.ts'
import type { Fate } from '../support/proof-counts.ts'
import { Arrivals, PROBE } from './arrivals.ts'
import { decodeRecord, encodeRecord, JournalWriter, readJournal } from './journal.ts'
import { type Account, type KilledLife, proofOf } from './proof.ts'

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pooled-producer-chaos-test-'))
  afterTest(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A publisher that attempted so many tasks, and what it was told of some of them. */
function account(attempted: number, fates: Record<number, Fate>, killed: KilledLife[] = []): Account {
  const records = Object.entries(fates).map(([task, fate]) => encodeRecord({ task: Number(task), fate }))
  return { attempted, records: Uint32Array.from(records), killed }
}

function arrived(...publishers: number[][]): Arrivals {
  const arrivals = new Arrivals(publishers.length)
  publishers.forEach((tasks, publisher) => {
    for (const task of tasks) arrivals.note(publisher, task)
  })
  return arrivals
}

function message(body: string, redelivered = false): { content: Buffer; fields: { redelivered: boolean } } {
  return { content: Buffer.from(body), fields: { redelivered } }
}

test('a confirmed task that did not arrive is lost, whoever else has one of that number', () => {
  const accounts = [
    account(3, { 0: 'confirmed', 1: 'confirmed', 2: 'confirmed' }),
    account(2, { 0: 'confirmed', 1: 'confirmed' }),
  ]

  expect(proofOf(accounts, arrived([0, 2], [0, 1]))).toMatchObject({ attempt: 5, confirmed: 5, consumed: 4, lost: 1 })
  expect(proofOf(accounts, arrived([0, 1, 2], [0, 1]))).toMatchObject({ lost: 0, unexpected: 0, unsettled: 0 })
})

test('what arrives without an attempt, or against what its publisher was told, is unexpected', () => {
  const arrivals = arrived([0, 1, 2, 3, 900_000])
  arrivals.add(message('{}'))
  arrivals.add(message('[[7, 0], {}, {}]'))
  arrivals.add(message(PROBE))

  const proof = proofOf([account(4, { 0: 'returned', 1: 'nacked', 2: 'not-sent', 3: 'unknown' })], arrivals)

  expect(proof).toMatchObject({ returned: 1, nacked: 1, notSent: 1, unknown: 1, recovered: 1, unexpected: 5, lost: 0 })
  // RabbitMQ nacks what was on its way to a queue that went down, and may have it on disk.
  expect(proof.nackedAndStored).toBe(1)
})

test('a task without an outcome is unsettled, unless its publisher was killed while it was open', () => {
  const killed = [{ from: 2, to: 5 }]
  const proof = proofOf([account(6, { 0: 'confirmed', 2: 'confirmed' }, killed)], arrived([0, 2, 3]))

  expect(proof).toMatchObject({ attempt: 6, confirmed: 2, unsettled: 2, cutOff: 2, unknown: 2, recovered: 1, lost: 0 })
})

test('a second outcome of a task is an error of the run', () => {
  const records = [encodeRecord({ task: 0, fate: 'confirmed' }), encodeRecord({ task: 0, fate: 'unknown' })]
  const twice = { attempted: 1, records: Uint32Array.from(records), killed: [] }

  expect(() => proofOf([twice], arrived([0]))).toThrow('message 0 has two outcomes')
})

test('a copy that the broker delivers again is told from one that was sent twice', () => {
  const arrivals = new Arrivals(1)
  arrivals.add(message('[[0, 5], {}, {"callbacks": null}]'))
  arrivals.add(message('[[0,5],{},{}]'))
  arrivals.add(message('[[0, 5], {}, {}]', true))
  // Its first delivery never came.
  arrivals.add(message('[[0, 6], {}, {}]', true))
  const proof = proofOf([account(7, { 5: 'confirmed', 6: 'confirmed' })], arrivals)

  expect(proof).toMatchObject({ consumed: 3, duplicated: 1, redelivered: 1, lost: 0 })
  expect(arrivals).toMatchObject({ messages: 4, tasks: 2, foreign: 0 })
})

test.each(['confirmed', 'nacked', 'returned', 'not-sent', 'unknown'] as const)(
  'a journal gives back that a task was %s, up to the highest number',
  (fate) => {
    for (const task of [0, 1, 2 ** 28 - 1]) expect(decodeRecord(encodeRecord({ task, fate }))).toEqual({ task, fate })
  },
)

test('a journal goes on over the lives of its publisher, and gives what was written when one was killed', () => {
  const folder = newFolder()
  expect(readJournal(folder, 2)).toEqual({ attempted: 0, records: new Uint32Array(0) })

  const first = new JournalWriter(folder, 2)
  first.attempt(10)
  first.settle(0, 'confirmed')
  first.settle(1, 'unknown')
  first.flush()
  // Not flushed: it was killed before.
  first.settle(2, 'confirmed')
  const second = new JournalWriter(folder, 2)
  second.attempt(12)
  second.settle(10, 'confirmed')
  second.close()

  const { attempted, records } = readJournal(folder, 2)
  expect(attempted).toBe(12)
  expect([...records].map(decodeRecord)).toEqual([
    { task: 0, fate: 'confirmed' },
    { task: 1, fate: 'unknown' },
    { task: 10, fate: 'confirmed' },
  ])
})

test('a record that was being written when the process died is left out', () => {
  const folder = newFolder()
  const writer = new JournalWriter(folder, 0)
  writer.attempt(2)
  writer.settle(0, 'confirmed')
  writer.settle(1, 'confirmed')
  writer.close()
  truncateSync(join(folder, 'publisher-0.outcomes'), 6)

  expect(readJournal(folder, 0).records).toHaveLength(1)
  writeFileSync(join(folder, 'publisher-0.attempts'), '')
  expect(readJournal(folder, 0).attempted).toBe(0)
})
