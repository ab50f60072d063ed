import { type ProofCounts, ProofLedger, sumOf } from '../support/proof-counts.ts'
import type { Arrivals } from './arrivals.ts'
import { decodeRecord, type Journal } from './journal.ts'

/** The tasks of one life of a publisher that was killed: from the first up to, and without, the last. */
export interface KilledLife {
  readonly from: number
  readonly to: number
}

/** What is known of one publisher from its own side. */
export interface Account extends Journal {
  readonly killed: readonly KilledLife[]
}

/** What became of all tasks. */
export interface ChaosProof extends ProofCounts {
  /** Of the unknown, those that were open when their publisher was killed. */
  readonly cutOff: number
  /** Nacked, and arrived: a broker that nacks takes no responsibility, and may have the message on disk all the same. */
  readonly nackedAndStored: number
  /** Copies that the broker delivered again because the consumer was cut off. */
  readonly redelivered: number
}

/**
 * Holds what the publishers wrote down against what arrived.
 *
 * @throws {Error} a task has two outcomes, or one without an attempt.
 */
export function proofOf(accounts: readonly Account[], arrivals: Arrivals): ChaosProof {
  let cutOff = 0
  let nackedAndStored = 0
  const counts = accounts.map((account, publisher) => {
    const ledger = new ProofLedger()
    for (let task = 0; task < account.attempted; task++) ledger.attempted(task)
    const hasOutcome = new Uint8Array(account.attempted)
    for (const record of account.records) {
      const { task, fate } = decodeRecord(record)
      ledger.settled(task, fate)
      hasOutcome[task] = 1
      if (fate === 'nacked' && (arrivals.copies(publisher)[task] ?? 0) > 0) nackedAndStored++
    }
    // Who was killed could write nothing down: the task may or may not have been stored.
    for (const { from, to } of account.killed) {
      for (let task = from; task < to; task++) {
        if (hasOutcome[task] === 1) continue
        ledger.settled(task, 'unknown')
        cutOff++
      }
    }
    arrivals.copies(publisher).forEach((copies, task) => {
      for (let copy = 0; copy < copies; copy++) ledger.stored(task)
    })
    return ledger.counts()
  })
  const sum = sumOf(counts)
  const { foreign, redelivered } = arrivals
  return { ...sum, unexpected: sum.unexpected + foreign - nackedAndStored, cutOff, nackedAndStored, redelivered }
}
