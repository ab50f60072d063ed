import type { BrokerAddress } from './broker-url.ts'

/** A node that refused us is not tried again sooner: wrong passwords lock accounts. */
const REFUSED_PAUSE_MS = 30_000

/** The nodes of one cluster in the order in which they are tried; who refused us is passed over for a while. */
export class NodeList {
  readonly #nodes: readonly BrokerAddress[]
  readonly #refusedAt = new Map<BrokerAddress, number>()
  #index: number
  #turns = 0

  /** @param first counts from 0, and beyond the last goes on with the first. */
  constructor(nodes: readonly BrokerAddress[], first: number) {
    this.#nodes = nodes
    this.#index = first % nodes.length
  }

  /** The node in use or tried next. */
  get current(): BrokerAddress {
    return this.#nodes[this.#index] as BrokerAddress
  }

  /** Whether every node has refused us a moment ago, so that there is none to try. */
  get isExhausted(): boolean {
    return this.#nodes.every((node) => this.#isRefused(node))
  }

  /** Milliseconds until a node may be tried that has refused us; 0: one may be tried now. */
  get pauseMs(): number {
    const now = performance.now()
    const freeAt = this.#nodes.map((node) => (this.#refusedAt.get(node) ?? Number.NEGATIVE_INFINITY) + REFUSED_PAUSE_MS)
    return Math.max(0, Math.min(...freeAt) - now)
  }

  /** How often all nodes have had their turn since {@link restart}. */
  get rounds(): number {
    return Math.floor(this.#turns / this.#nodes.length)
  }

  /** Counts the rounds anew, from the next node that can be tried. */
  restart(): void {
    if (this.#isRefused(this.current)) this.advance()
    this.#turns = 0
  }

  /** Goes on to the next node that can be tried; the list must not be exhausted. */
  advance(): void {
    do {
      this.#index = (this.#index + 1) % this.#nodes.length
      this.#turns++
    } while (this.#isRefused(this.current))
  }

  /** This node has refused us. */
  refused(node: BrokerAddress): void {
    this.#refusedAt.set(node, performance.now())
  }

  /** This node has taken us: it is the one in use. */
  accepted(node: BrokerAddress): void {
    this.#refusedAt.delete(node)
    this.#index = this.#nodes.indexOf(node)
  }

  #isRefused(node: BrokerAddress): boolean {
    const refusedAt = this.#refusedAt.get(node)
    return refusedAt !== undefined && performance.now() - refusedAt < REFUSED_PAUSE_MS
  }
}
