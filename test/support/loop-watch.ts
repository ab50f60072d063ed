const TICK_MS = 5
const BUCKETS = 2_000

/**
 * How long this process holds its event loop up. Another process may hold the processor at the same time, so what
 * counts between two ticks is the processor time used: on an idle machine both are the same.
 */
export class LoopWatch {
  /** The longest time between two ticks, whoever had the processor, in milliseconds. */
  longestGapMs = 0
  /** How many ticks held the loop up for how many milliseconds; the last place for all longer ones. */
  readonly #held = new Uint32Array(BUCKETS)
  readonly #timer: NodeJS.Timeout
  #ticks = 0
  readonly #startedAt = performance.now()
  #tickedAt = performance.now()
  #usedAt = process.cpuUsage()

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** How long it has watched, in milliseconds. */
  get watchedMs(): number {
    return this.#tickedAt - this.#startedAt
  }

  /** 99 of 100 ticks were held up for no longer, in milliseconds. */
  get p99(): number {
    let seen = 0
    const ms = this.#held.findIndex((count) => {
      seen += count
      return seen >= this.#ticks * 0.99
    })
    return Math.max(0, ms)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    const { user, system } = process.cpuUsage(this.#usedAt)
    const gapMs = Math.max(0, now - this.#tickedAt - TICK_MS)
    const heldMs = Math.min(gapMs, (user + system) / 1_000)
    this.longestGapMs = Math.max(this.longestGapMs, gapMs)
    const bucket = Math.min(Math.floor(heldMs), BUCKETS - 1)
    this.#held[bucket] = (this.#held[bucket] as number) + 1
    this.#ticks++
    this.#tickedAt = now
    this.#usedAt = process.cpuUsage()
  }
}
