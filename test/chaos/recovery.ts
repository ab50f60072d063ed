/** How long it takes from its making until every queue has confirmed something. */
export class Recovery {
  /** Milliseconds. */
  readonly complete: Promise<number>
  readonly #startedAt = performance.now()
  readonly #missing: Set<string>
  readonly #resolve: (afterMs: number) => void

  constructor(queues: readonly string[]) {
    this.#missing = new Set(queues)
    let settle: (afterMs: number) => void = () => {}
    this.complete = new Promise((resolve) => {
      settle = resolve
    })
    this.#resolve = settle
  }

  /** @param now milliseconds of `performance.now()`. */
  confirmed(queue: string, now: number): void {
    if (this.#missing.delete(queue) && this.#missing.size === 0) this.#resolve(Math.round(now - this.#startedAt))
  }
}
