import { setTimeout as delay } from 'node:timers/promises'
import { type Random, sequence } from '../support/random.ts'
import type { Fault } from './node-faults.ts'
import type { PublisherProcess } from './publisher-process.ts'

/** Where a fault strikes, which decides how soon publishing must go on. */
export type Scope = 'cluster' | 'network' | 'publisher'

/**
 * Milliseconds from the broker's return until every publisher has a confirm from every queue, beside those that a
 * plain client needs for as much at that time.
 */
export const RESUME_LIMITS: Readonly<Record<Scope, number>> = { cluster: 10_000, network: 2_000, publisher: 2_000 }
/** So long is waited at most, to say how late it was. */
const PATIENCE_MS = 60_000
/** A fault of the network lies over one of so many of the cluster's. */
const OVERLAP = 4
const SEEDS = 2 ** 30

/** What one strike did. */
export interface Strike {
  readonly kinds: readonly string[]
  readonly scope: Scope
  /** Of the slowest publisher; undefined: it did not resume. */
  readonly resumedMs: number | undefined
  /** How long a client without a pool needed from connecting to its last confirm. */
  readonly probeMs: number
  readonly isInTime: boolean
  /** Whether everything was settled, and each pool was as at first. */
  readonly isRestored: boolean
}

interface Card {
  readonly kind: string
  readonly scope: Scope
  readonly fault: Fault
}

/** Deals faults of all kinds in random order, one strike after the other. */
export class Strikes {
  readonly #cards: readonly Card[]
  readonly #random: Random
  readonly #publishers: readonly PublisherProcess[]
  readonly #reachable: () => Promise<number>
  readonly #longestPauseMs: number
  #deck: Card[] = []

  /**
   * @param reachable resolves when another client could publish to every queue, with the milliseconds that it needed.
   * @param longestPauseMs between two strikes, at most.
   */
  constructor(
    faults: Readonly<Record<Scope, Readonly<Record<string, Fault>>>>,
    publishers: readonly PublisherProcess[],
    reachable: () => Promise<number>,
    random: Random,
    longestPauseMs = 2_500,
  ) {
    this.#cards = Object.entries(faults).flatMap(([scope, kinds]) => {
      return Object.entries(kinds).map(([kind, fault]) => ({ kind, scope: scope as Scope, fault }))
    })
    this.#publishers = publishers
    this.#reachable = reachable
    this.#random = random
    this.#longestPauseMs = longestPauseMs
  }

  /** Makes the next fault, mends it, and waits until publishing goes on and all is as before. */
  async next(began: (kinds: readonly string[]) => void): Promise<Strike> {
    const cards = this.#deal()
    const kinds = cards.map(({ kind }) => kind)
    const { scope } = cards[0] as Card
    await delay(this.#random(this.#longestPauseMs + 1))
    began(kinds)
    // Each with numbers of its own: in which order two of them ask is not the seed's to say.
    const seeds = cards.map(() => this.#random(SEEDS))
    await Promise.all(cards.map(({ fault }, index) => fault(sequence(seeds[index] as number))))
    const probeMs = await this.#reachable()
    const resumedMs = await this.#resumed()
    const isRestored = await this.#restored()
    const isInTime = resumedMs !== undefined && resumedMs <= RESUME_LIMITS[scope] + probeMs
    return { kinds, scope, resumedMs, probeMs, isInTime, isRestored }
  }

  /** Every kind is dealt before one comes again. */
  #deal(): Card[] {
    const card = this.#draw()
    if (card.scope !== 'cluster' || this.#random(OVERLAP) !== 0) return [card]
    const others = this.#cards.filter(({ scope }) => scope === 'network')
    return [card, others[this.#random(others.length)] as Card]
  }

  #draw(): Card {
    if (this.#deck.length === 0) this.#deck = [...this.#cards]
    const [card] = this.#deck.splice(this.#random(this.#deck.length), 1)
    return card as Card
  }

  async #resumed(): Promise<number | undefined> {
    const times = await Promise.all(this.#publishers.map((publisher) => publisher.resumed(PATIENCE_MS)))
    return times.reduce((most, ms) => (most === undefined || ms === undefined ? undefined : Math.max(most, ms)), 0)
  }

  async #restored(): Promise<boolean> {
    const rested = await Promise.all(this.#publishers.map((publisher) => publisher.rest()))
    for (const publisher of this.#publishers) publisher.go()
    return rested.every(Boolean)
  }
}
