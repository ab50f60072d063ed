/** Steps that must not overlap, key by key. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs a step when all that came before it for this key have ended, well or not. */
  take<T>(key: string, step: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(step)
    const end: Promise<void> = turn.then(
      () => this.#ended(key, end),
      () => this.#ended(key, end),
    )
    this.#last.set(key, end)
    return turn
  }

  #ended(key: string, end: Promise<void>): void {
    if (this.#last.get(key) === end) this.#last.delete(key)
  }
}
