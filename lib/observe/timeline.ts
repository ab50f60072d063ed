/** What happened in one stretch of time. */
export interface TimelineBucket {
  /** When the stretch begins, as an ISO date. */
  readonly from: string
  readonly publishes: number
  readonly channelsOpened: number
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
  #buckets = new Map<number, { publishes: number; channelsOpened: number }>()

  addOpened(timeMs: number): void {
    this.#bucket(Math.floor(timeMs / this.#bucketMs)).channelsOpened += 1
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
      buckets: inOrder.map(([number, { publishes, channelsOpened }]) => ({
        from: new Date(number * this.#bucketMs).toISOString(),
        publishes,
        channelsOpened,
        reuseRatio: reuseRatio(publishes, channelsOpened),
      })),
    }
  }

  #bucket(number: number): { publishes: number; channelsOpened: number } {
    const known = this.#buckets.get(number)
    if (known !== undefined) return known
    const bucket = { publishes: 0, channelsOpened: 0 }
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
    for (const [number, { publishes, channelsOpened }] of narrow) {
      const wide = this.#bucket(Math.floor(number / 2))
      wide.publishes += publishes
      wide.channelsOpened += channelsOpened
    }
  }
}

/** The same timeline in stretches twice as long. */
export function doubled({ bucketMs, buckets }: TimelineFigures): TimelineFigures {
  const wide = new Map<string, TimelineBucket>()
  for (const { from, publishes, channelsOpened } of buckets) {
    const start = new Date(Math.floor(Date.parse(from) / (2 * bucketMs)) * 2 * bucketMs).toISOString()
    const sum = {
      publishes: publishes + (wide.get(start)?.publishes ?? 0),
      channelsOpened: channelsOpened + (wide.get(start)?.channelsOpened ?? 0),
    }
    wide.set(start, { from: start, ...sum, reuseRatio: reuseRatio(sum.publishes, sum.channelsOpened) })
  }
  return { bucketMs: 2 * bucketMs, buckets: [...wide.values()] }
}

/** The share of publishes that needed no new channel; null when nothing was published. */
export function reuseRatio(publishes: number, channelsOpened: number): number | null {
  return publishes > 0 ? Math.max(0, 1 - channelsOpened / publishes) : null
}
