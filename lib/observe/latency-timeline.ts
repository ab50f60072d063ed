import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts'
import type { LogRecord } from './log-line.ts'
import { amountOf } from './log-values.ts'

/** The confirm latency at one time. */
export interface LatencyPoint extends LatencySummary {
  /** An ISO date: the begin of the stretch, or the time of the summary. */
  readonly at: string
}

/** How long confirms took, over time. */
export interface LatencyTimelineFigures {
  /** `lines`: of the debug lines of each stretch; `summary`: of all since the pool was made, at each `pool.summary`. */
  readonly from: 'lines' | 'summary' | null
  /** In the order of time. */
  readonly points: readonly LatencyPoint[]
}

/** A histogram takes 16 KiB, and a log may be of many pools. */
const MAX_STRETCHES = 24
const MAX_SUMMARIES = 120

/** Collects a {@link LatencyTimelineFigures} in bounded memory. */
export class LatencyTimeline {
  #stretchMs = 1_000
  /** By number of the stretch since 1970. */
  #stretches = new Map<number, LatencyHistogram>()
  #summaries: LatencyPoint[] = []
  /** Of so many summaries one is kept. */
  #every = 1
  #seen = 0

  addConfirm({ fields, timeMs }: LogRecord): void {
    const ms = amountOf(fields.confirmMs)
    if (ms === undefined || timeMs === undefined) return
    this.#stretch(Math.floor(timeMs / this.#stretchMs)).record(ms)
    while (this.#stretches.size > MAX_STRETCHES) this.#widen()
  }

  addSummary({ fields, timeMs }: LogRecord): void {
    const { p50, p99, max } = (fields.confirmMs ?? {}) as Record<string, unknown>
    const point = { p50: amountOf(p50), p99: amountOf(p99), max: amountOf(max) }
    if (timeMs === undefined || point.p50 === undefined || point.p99 === undefined || point.max === undefined) return
    if (this.#seen++ % this.#every > 0) return
    this.#summaries.push({ at: new Date(timeMs).toISOString(), ...(point as LatencySummary) })
    if (this.#summaries.length <= MAX_SUMMARIES) return
    this.#summaries = this.#summaries.filter((_, index) => index % 2 === 0)
    this.#every *= 2
  }

  result(): LatencyTimelineFigures {
    if (this.#stretches.size === 0) {
      return { from: this.#summaries.length === 0 ? null : 'summary', points: [...this.#summaries] }
    }
    const inOrder = [...this.#stretches].sort(([a], [b]) => a - b)
    const points = inOrder.map(([number, histogram]) => {
      return { at: new Date(number * this.#stretchMs).toISOString(), ...histogram.summary() }
    })
    return { from: 'lines', points }
  }

  #stretch(number: number): LatencyHistogram {
    let histogram = this.#stretches.get(number)
    if (histogram === undefined) {
      histogram = new LatencyHistogram()
      this.#stretches.set(number, histogram)
    }
    return histogram
  }

  #widen(): void {
    const narrow = this.#stretches
    this.#stretchMs *= 2
    this.#stretches = new Map()
    for (const [number, histogram] of narrow) this.#stretch(Math.floor(number / 2)).merge(histogram)
  }
}
