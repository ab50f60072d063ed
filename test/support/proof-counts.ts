/** What a publisher was told of a message. `nacked`: any refusal of the broker's but a return. */
export type Fate = 'confirmed' | 'nacked' | 'returned' | 'not-sent' | 'unknown'

/** What a run proves, by counting; `lost`, `unexpected` and `unsettled` must be 0. */
export interface ProofCounts {
  readonly attempt: number
  readonly confirmed: number
  readonly nacked: number
  readonly returned: number
  readonly notSent: number
  readonly unknown: number
  /** Messages taken from the queues, copies included. */
  readonly consumed: number
  /** Confirmed, and in no queue. */
  readonly lost: number
  /** In a queue, though nobody sent it, or though its publisher was told that it is in none. */
  readonly unexpected: number
  /** Copies beyond the first. */
  readonly duplicated: number
  /** In a queue, and unknown to its publisher. */
  readonly recovered: number
  /** Promises without an outcome. */
  readonly unsettled: number
}

export const FATES: readonly Fate[] = ['confirmed', 'nacked', 'returned', 'not-sent', 'unknown']
const UNKNOWN_ID = 0
const ATTEMPTED = 1
const FIRST_FATE = 2
const MOST_COPIES = 255

/**
 * The messages of one publisher, from the attempt to the queue. Ids count from 0, so that millions take two bytes
 * each.
 */
export class ProofLedger {
  #fates = new Uint8Array(1_024)
  #copies = new Uint8Array(1_024)
  #foreign = 0
  #consumed = 0

  attempted(id: number): void {
    this.#grow(id)
    this.#fates[id] = ATTEMPTED
  }

  /** @throws {Error} a message has one outcome, and only after it was attempted. */
  settled(id: number, fate: Fate): void {
    if (this.#fates[id] !== ATTEMPTED) throw new Error(`message ${id} has two outcomes, or was never attempted`)
    this.#fates[id] = FIRST_FATE + FATES.indexOf(fate)
  }

  /** A copy was taken from a queue. An id that is no number of this publisher's is unexpected. */
  stored(id: number): void {
    this.#consumed++
    const isKnown = Number.isInteger(id) && id >= 0 && id < this.#fates.length && this.#fates[id] !== UNKNOWN_ID
    if (isKnown) this.#copies[id] = Math.min((this.#copies[id] as number) + 1, MOST_COPIES)
    else this.#foreign++
  }

  counts(): ProofCounts {
    const told: Record<Fate, number> = { confirmed: 0, nacked: 0, returned: 0, 'not-sent': 0, unknown: 0 }
    const found = { attempt: 0, lost: 0, unexpected: this.#foreign, duplicated: 0, recovered: 0, unsettled: 0 }
    for (let id = 0; id < this.#fates.length; id++) {
      const state = this.#fates[id] as number
      if (state === UNKNOWN_ID) continue
      found.attempt++
      const copies = this.#copies[id] as number
      if (copies > 1) found.duplicated += copies - 1
      const fate = FATES[state - FIRST_FATE]
      if (fate === undefined) {
        found.unsettled++
        continue
      }
      told[fate]++
      if (fate === 'confirmed' && copies === 0) found.lost++
      if (fate === 'unknown' && copies > 0) found.recovered++
      if ((fate === 'not-sent' || fate === 'returned' || fate === 'nacked') && copies > 0) found.unexpected++
    }
    const { 'not-sent': notSent, ...others } = told
    return { ...found, ...others, notSent, consumed: this.#consumed }
  }

  #grow(id: number): void {
    if (id < this.#fates.length) return
    const size = Math.max(id + 1, this.#fates.length * 2)
    const [fates, copies] = [new Uint8Array(size), new Uint8Array(size)]
    fates.set(this.#fates)
    copies.set(this.#copies)
    this.#fates = fates
    this.#copies = copies
  }
}

/** What an error of a publish says of its message. */
export function fateOf({ code, outcome }: { readonly code?: string; readonly outcome?: string }): Fate {
  if (code === 'ERR_UNROUTABLE' && outcome === 'refused') return 'returned'
  if (outcome === 'refused') return 'nacked'
  return outcome === 'not-sent' ? 'not-sent' : 'unknown'
}

/** The counts of several publishers as one. */
export function sumOf(all: readonly ProofCounts[]): ProofCounts {
  const sum = new ProofLedger().counts() as { -readonly [name in keyof ProofCounts]: number }
  for (const counts of all) {
    for (const name of Object.keys(sum) as (keyof ProofCounts)[]) sum[name] += counts[name]
  }
  return sum
}
