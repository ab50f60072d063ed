/** Those who wait for something that happens again and again: each is called once, the next time. */
export class Bell {
  #waiting: (() => void)[] = []

  /** Resolves at the next {@link ring}. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  ring(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
