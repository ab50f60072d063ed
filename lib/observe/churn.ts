const MINUTE_MS = 60_000

/** The minute in which most channels were opened. */
export interface ChurnFigures {
  readonly openedPerMinute: number
  /** When that minute began, as an ISO date. */
  readonly at: string
}

/** Finds the minute in which most channels were opened. */
export class Churn {
  #minute = { number: Number.NaN, opened: 0 }
  #worst = this.#minute

  add(timeMs: number): void {
    const number = Math.floor(timeMs / MINUTE_MS)
    if (number !== this.#minute.number) this.#minute = { number, opened: 0 }
    this.#minute.opened += 1
    if (this.#minute.opened > this.#worst.opened) this.#worst = this.#minute
  }

  result(): ChurnFigures | null {
    const { number, opened } = this.#worst
    return opened === 0 ? null : { openedPerMinute: opened, at: new Date(number * MINUTE_MS).toISOString() }
  }
}
