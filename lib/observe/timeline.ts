/** What is counted in each stretch of time. */
const COUNTED = ['publishes', 'channelsOpened', 'failures', 'retries', 'connectionsLost', 'blocked'] as const

type Counts = Record<(typeof COUNTED)[number], number>

/** What happened in one stretch of time. */
export interface TimelineBucket extends Readonly<Counts> {
  /** When the stretch begins, as an ISO date. */
  readonly from: string
  /** 1 - channelsOpened / publishes; null when nothing was published. */
  readonly reuseRatio: number | null
}

/** How the measure of reuse went over time: stretches of one length, which doubles whenever there are too many. */
export interface TimelineFigures {
  /** The length of each stretch. */
  readonly bucketMs: number
  /** In the order of time; stretches in which nothing happened are left out. */
  readonly buckets: readonly TimelineBucket[]
}

const MAX_BUCKETS = 60

/** Collects a {@link TimelineFigures} in bounded memory, whatever the span and in whatever order the times come. */
export class Timeline {
  #bucketMs = 1_000
  /** By number of the bucket since 1970. */
  #buckets = new Map<number, Counts>()

  /** Counts something that happened at one time, or `times` of it. */
  add(what: keyof Counts, timeMs: number, times = 1): void {
    this.#bucket(Math.floor(timeMs / this.#bucketMs))[what] += times
    this.#fit()
  }

  /** Spreads publishes evenly over the time in which they happened. */
  addPublishes(publishes: number, fromMs: number, toMs: number): void {
    while ((toMs - fromMs) / this.#bucketMs > MAX_BUCKETS) this.#widen()
    const last = Math.floor(toMs / this.#bucketMs)
    let given = 0
    for (let number = Math.floor(fromMs / this.#bucketMs); number <= last; number += 1) {
      const endMs = Math.min(toMs, (number + 1) * this.#bucketMs)
      // Rounding what has been given so far, not each share, keeps the sum whole.
      const due = number === last ? publishes : Math.round((publishes * (endMs - fromMs)) / (toMs - fromMs))
      if (due > given) this.#bucket(number).publishes += due - given
      given = due
    }
    this.#fit()
  }

  result(): TimelineFigures {
    const inOrder = [...this.#buckets].sort(([a], [b]) => a - b)
    return {
      bucketMs: this.#bucketMs,
      buckets: inOrder.map(([number, counts]) => ({
        from: new Date(number * this.#bucketMs).toISOString(),
        ...counts,
        reuseRatio: reuseRatio(counts.publishes, counts.channelsOpened),
      })),
    }
  }

  #bucket(number: number): Counts {
    const known = this.#buckets.get(number)
    if (known !== undefined) return known
    const bucket = Object.fromEntries(COUNTED.map((what) => [what, 0])) as Counts
    this.#buckets.set(number, bucket)
    return bucket
  }

  #fit(): void {
    while (this.#buckets.size > MAX_BUCKETS) this.#widen()
  }

  #widen(): void {
    const narrow = this.#buckets
    this.#bucketMs *= 2
    this.#buckets = new Map()
    for (const [number, counts] of narrow) addAll(this.#bucket(Math.floor(number / 2)), counts)
  }
}

/** The same timeline in stretches twice as long. */
export function doubled({ bucketMs, buckets }: TimelineFigures): TimelineFigures {
  const wide = new Map<string, Counts>()
  for (const bucket of buckets) {
    const start = new Date(Math.floor(Date.parse(bucket.from) / (2 * bucketMs)) * 2 * bucketMs).toISOString()
    const sum = wide.get(start)
    if (sum === undefined) wide.set(start, countsOf(bucket))
    else addAll(sum, bucket)
  }
  const inOrder = [...wide].map(([from, counts]) => {
    return { from, ...counts, reuseRatio: reuseRatio(counts.publishes, counts.channelsOpened) }
  })
  return { bucketMs: 2 * bucketMs, buckets: inOrder }
}

function countsOf(bucket: Counts): Counts {
  return Object.fromEntries(COUNTED.map((what) => [what, bucket[what]])) as Counts
}

function addAll(sum: Counts, counts: Counts): void {
  for (const what of COUNTED) sum[what] += counts[what]
}

/** The share of publishes that needed no new channel; null when nothing was published. */
export function reuseRatio(publishes: number, channelsOpened: number): number | null {
  return publishes > 0 ? Math.max(0, 1 - channelsOpened / publishes) : null
}
