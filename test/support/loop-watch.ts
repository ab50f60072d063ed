import { openSync, readSync } from 'node:fs'

const TICK_MS = 5
const BUCKETS = 2_000
const NANOSECONDS_PER_MS = 1e6

/**
 * How long this process holds its event loop up. Another process may hold the processor at the same time, so what
 * counts between two ticks is the processor time that the loop's own thread used: on an idle machine both are the same.
 */
export class LoopWatch {
  /** The longest time between two ticks, whoever had the processor, in milliseconds. */
  longestGapMs = 0
  /** The longest that the loop was held up between two ticks, in milliseconds. */
  longestHeldMs = 0
  ticks = 0
  /** How many ticks held the loop up for how many milliseconds; the last place for all longer ones. */
  readonly #held = new Uint32Array(BUCKETS)
  readonly #tickMs: number
  readonly #timer: NodeJS.Timeout
  readonly #startedAt = performance.now()
  #tickedAt = performance.now()
  #usedAtMs = loopThreadMs()

  constructor(tickMs: number = TICK_MS) {
    this.#tickMs = tickMs
    this.#timer = setInterval(() => this.#tick(), tickMs).unref()
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
      return seen >= this.ticks * 0.99
    })
    return Math.max(0, ms)
  }

  /** Watches no longer; what held the loop up just now still counts. */
  stop(): void {
    this.#tick()
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    const usedMs = loopThreadMs()
    const gapMs = Math.max(0, now - this.#tickedAt - this.#tickMs)
    const heldMs = Math.min(gapMs, usedMs - this.#usedAtMs)
    this.longestGapMs = Math.max(this.longestGapMs, gapMs)
    this.longestHeldMs = Math.max(this.longestHeldMs, heldMs)
    const bucket = Math.min(Math.floor(heldMs), BUCKETS - 1)
    this.#held[bucket] = (this.#held[bucket] as number) + 1
    this.ticks++
    this.#tickedAt = now
    this.#usedAtMs = usedMs
  }
}

const schedstat = openSchedstat()
const line = Buffer.alloc(100)

/**
 * The processor time of the process's main thread, in milliseconds: the first number of Linux's /proc/PID/schedstat.
 * What the compiler's and the collector's threads use beside it holds nothing up. Where there is no such file, the time
 * of all threads.
 */
function loopThreadMs(): number {
  if (schedstat === undefined) {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000
  }
  const length = readSync(schedstat, line, 0, line.length, 0)
  return Number.parseInt(line.toString('latin1', 0, length), 10) / NANOSECONDS_PER_MS
}

function openSchedstat(): number | undefined {
  try {
    return openSync('/proc/self/schedstat', 'r')
  } catch {
    return undefined
  }
}
