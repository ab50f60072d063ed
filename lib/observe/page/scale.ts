/** A mark on an axis: where it stands, from 0 to 1, and what is written there. */
export interface Tick {
  readonly at: number
  readonly label: string
}

/** The time that a page shows, in milliseconds since 1970. */
export interface TimeSpan {
  readonly fromMs: number
  readonly toMs: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 90, 180, 365].map((days) => days * DAY),
]
const MOST_TIME_TICKS = 6

/** Where a time stands in a span, from 0 to 1. */
export function place(timeMs: number, { fromMs, toMs }: TimeSpan): number {
  return toMs === fromMs ? 0 : Math.min(1, Math.max(0, (timeMs - fromMs) / (toMs - fromMs)))
}

/** Round times of day (UTC) in a span, six at most. */
export function timeTicks(span: TimeSpan): Tick[] {
  const { fromMs, toMs } = span
  const stepMs = STEPS_MS.find((step) => (toMs - fromMs) / step < MOST_TIME_TICKS) ?? (STEPS_MS.at(-1) as number)
  const ticks: Tick[] = []
  for (let timeMs = Math.ceil(fromMs / stepMs) * stepMs; timeMs <= toMs; timeMs += stepMs) {
    ticks.push({ at: place(timeMs, span), label: timeLabel(timeMs, stepMs) })
    if (ticks.length > MOST_TIME_TICKS) break
  }
  return ticks
}

function timeLabel(timeMs: number, stepMs: number): string {
  const iso = new Date(timeMs).toISOString()
  if (stepMs >= DAY) return iso.slice(0, 10)
  return stepMs >= MINUTE ? iso.slice(11, 16) : iso.slice(11, 19)
}

/** The least round number that is not below a value: 1, 2 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = [1, 2, 5, 10].find((step) => step * power >= value * (1 - 1e-9)) ?? 10
  return factor * power
}

/** The begin, the middle and the end of an axis from 0 to `top`. */
export function amountTicks(top: number, label: (value: number) => string): Tick[] {
  return [0, 0.5, 1].map((at) => ({ at, label: label(at * top) }))
}
