import { duration } from '../figures.ts'
import type { LatencyTimelineFigures } from '../latency-timeline.ts'
import { chart, path } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { amountTicks, place, roundUp, type TimeSpan, timeTicks } from './scale.ts'

/** How long confirms took: a band from the median to the 99th percentile. Nothing where the log does not tell. */
export function latencyChart({ from, points }: LatencyTimelineFigures, span: TimeSpan): Markup | false {
  if (from === null || points.length === 0) return false
  const highest = Math.max(...points.map(({ p99 }) => p99))
  const top = roundUp(highest)
  // One point alone says what held for the whole.
  const across = points.length === 1 ? [0, 1] : points.map(({ at }) => place(Date.parse(at), span))
  const along = points.length === 1 ? [points[0], points[0]] : points
  const line = (figure: 'p50' | 'p99') =>
    along.map((point, index) => ({ x: across[index] as number, y: (point?.[figure] ?? 0) / top }))
  const band = [...line('p99'), ...line('p50').reverse()]
  return chart({
    title: from === 'lines' ? 'Confirm latency' : 'Confirm latency since the pool was made',
    says: `From the write to the broker's confirm: the 99th percentile is ${duration(highest)} at the most`,
    drawing: html`<path class="band" d="M${path(band)}Z"/><path class="p99" d="M${path(line('p99'))}"/><path class="p50" d="M${path(line('p50'))}"/>`,
    xTicks: timeTicks(span),
    yTicks: amountTicks(top, (value) => (value === 0 ? '0' : duration(value))),
    legend: [
      { className: 'p99', label: 'p99' },
      { className: 'p50', label: 'p50' },
    ],
  })
}
