import { count, counted } from '../figures.ts'
import type { TimelineBucket, TimelineFigures } from '../timeline.ts'
import { chart, HEIGHT, path, WIDTH } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { amountTicks, place, roundUp, type TimeSpan, timeTicks } from './scale.ts'

/** What a mark stands for, the gravest first: where several things happened in one stretch, the first is shown. */
const FAULTS = [
  { what: 'failures', className: 'failure', one: 'failed publish', many: 'failed publishes' },
  { what: 'connectionsLost', className: 'lost', one: 'closed connection', many: 'closed connections' },
  { what: 'blocked', className: 'blocked', one: 'alarm of the broker', many: 'alarms of the broker' },
  { what: 'retries', className: 'retry', one: 'message sent again', many: 'messages sent again' },
] as const

const SECOND = 1_000

/**
 * Publishes per second, with marks where something went wrong.
 *
 * @param publishes how many there were in all: the log may not tell when.
 */
export function rateChart({ bucketMs, buckets }: TimelineFigures, publishes: number, span: TimeSpan): Markup {
  const rate = ({ publishes }: TimelineBucket) => publishes / (bucketMs / SECOND)
  const highest = Math.max(0, ...buckets.map(rate))
  const top = roundUp(highest)
  const bars = buckets.map((bucket) => {
    const fromMs = Date.parse(bucket.from)
    const [left, right] = [place(fromMs, span), place(fromMs + bucketMs, span)]
    const height = rate(bucket) / top
    const corners = [
      { x: left, y: 0 },
      { x: left, y: height },
      { x: right, y: height },
      { x: right, y: 0 },
    ]
    const title = `${bucket.from.slice(11, 19)}: ${counted(bucket.publishes, 'publish')}`
    return html`<path class="bar" d="M${path(corners)}Z"><title>${title}</title></path>`
  })
  return chart({
    title: 'Publishes per second',
    says: `Publishes per second over time, ${count(highest)} at the most`,
    drawing: html`${bars}${buckets.map((bucket) => mark(bucket, bucketMs, span))}`,
    xTicks: timeTicks(span),
    yTicks: amountTicks(top, (value) => (top < 4 ? `${Number(value.toFixed(2))}` : count(value))),
    note: highest > 0 ? undefined : emptyNote(publishes),
    legend: [
      { className: 'bar', label: 'publishes' },
      ...FAULTS.filter(({ what }) => buckets.some((bucket) => bucket[what] > 0)).map(({ className, many }) => {
        return { className, label: many }
      }),
    ],
  })
}

function emptyNote(publishes: number): string {
  if (publishes === 0) return 'nothing was published'
  return 'no pool.summary in the log says when the publishes were'
}

/** A line over the whole height, where a stretch had a fault. */
function mark(bucket: TimelineBucket, bucketMs: number, span: TimeSpan): Markup | false {
  const found = FAULTS.filter(({ what }) => bucket[what] > 0)
  const [first] = found
  if (first === undefined) return false
  const x = Math.round(place(Date.parse(bucket.from) + bucketMs / 2, span) * WIDTH)
  const what = found
    .map(({ what, one, many }) => `${count(bucket[what])} ${bucket[what] === 1 ? one : many}`)
    .join(', ')
  return html`<path class="mark ${first.className}" d="M${x} 0V${HEIGHT}"><title>${bucket.from.slice(11, 19)}: ${what}</title></path>`
}
