import { count, counted, duration, percent } from '../observe/figures.ts'
import type { PoolReport, ReuseReport } from '../observe/reuse-report.ts'
import { emphasis, printable, type Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

/** How often the picture is drawn anew, and how often a line is written where there is no picture. */
const DRAW_MS = 500
const LINE_MS = 10_000
const MAX_POOLS_SHOWN = 8
const STRETCHES_SHOWN = 30
const HEIGHTS = '▁▂▃▄▅▆▇█'

/**
 * Shows a report that grows: on a terminal a table that is drawn over itself, with nothing but "up" and "clear", so
 * that it works over ssh; elsewhere a line now and then, when something has changed.
 */
export class LiveReport {
  readonly #report: ReuseReport
  readonly #stdout: Terminal['stdout']
  readonly #emphasised: (text: string) => string
  readonly #timer: NodeJS.Timeout
  #drawnLines = 0
  #lastLine = ''

  constructor(report: ReuseReport, terminal: Terminal) {
    this.#report = report
    this.#stdout = terminal.stdout
    this.#emphasised = emphasis(terminal)
    const isTerminal = this.#stdout.isTTY === true
    const show = isTerminal ? () => this.#draw() : () => this.#line()
    if (isTerminal) show()
    this.#timer = setInterval(show, isTerminal ? DRAW_MS : LINE_MS)
  }

  /** Shows nothing more; the picture makes room for what is printed next. */
  stop(): void {
    clearInterval(this.#timer)
    this.#clear()
  }

  #draw(): void {
    const { totals, pools, records } = this.#report.result()
    const shown = pools.slice(0, MAX_POOLS_SHOWN)
    const hidden = pools.length - shown.length
    const ratio = totals.reuseRatio === null ? '' : `, ${percent(totals.reuseRatio)} reuse`
    const blocks = [
      this.#emphasised(
        `${counted(totals.publishes, 'publish')} over ${counted(totals.channelsOpened, 'channel')}${ratio}`,
      ),
      records === 0 ? 'no line of a pool yet' : poolTable(shown),
      hidden > 0 && `${counted(hidden, 'pool')} not shown`,
      ...shown.map(
        ({ pool, timeline }) => `${printable(pool)}  ${sparkline(timeline.buckets.map(({ publishes }) => publishes))}`,
      ),
      'Ctrl-C ends it with the whole report',
    ]
    const text = blocks.filter((block) => block !== false).join('\n')
    this.#clear()
    this.#stdout.write(`${text}\n`)
    this.#drawnLines = text.split('\n').length
  }

  #clear(): void {
    if (this.#drawnLines > 0) this.#stdout.write(`\u001b[${this.#drawnLines}A\u001b[J`)
    this.#drawnLines = 0
  }

  #line(): void {
    const { totals, to, pools } = this.#report.result()
    const { publishes, channelsOpened, reuseRatio, failures, retries } = totals
    const [first] = pools
    const parts = [
      `${counted(publishes, 'publish')} over ${counted(channelsOpened, 'channel')}`,
      reuseRatio !== null && `${percent(reuseRatio)} reuse`,
      first?.confirmMs && `confirm p99 ${duration(first.confirmMs.p99)}`,
      `${counted(retries, 'message')} sent again`,
      counted(failures, 'failure'),
    ]
    const line = parts.filter(Boolean).join(', ')
    if (line === this.#lastLine || to === null) return
    this.#lastLine = line
    this.#stdout.write(`${to.slice(11, 19)} ${line}\n`)
  }
}

function poolTable(pools: readonly PoolReport[]): string {
  return textTable(
    ['pool', 'publishes', 'per s', 'channels', 'reuse', 'leased', 'confirm p99', 'retries', 'failures'],
    pools.map((pool) => [
      printable(pool.pool),
      count(pool.publishes),
      rate(pool),
      count(pool.channelsOpened),
      pool.reuseRatio === null ? '-' : percent(pool.reuseRatio),
      pool.maxLeased === null ? '-' : `${count(pool.maxLeased)} of ${count(pool.maxChannels ?? 0)}`,
      pool.confirmMs === null ? '-' : duration(pool.confirmMs.p99),
      count(pool.retries),
      count(pool.failures),
    ]),
  )
}

/** Of the last whole stretch of the timeline. */
function rate({ timeline: { bucketMs, buckets } }: PoolReport): string {
  const last = buckets.at(-2) ?? buckets.at(-1)
  return last === undefined ? '-' : count(last.publishes / (bucketMs / 1_000))
}

/** `▁▃▇`: the last values, the highest at full height. */
export function sparkline(values: readonly number[]): string {
  const shown = values.slice(-STRETCHES_SHOWN)
  const top = Math.max(...shown, 1)
  return shown
    .map((value) => HEIGHTS[Math.min(HEIGHTS.length - 1, Math.floor((value / top) * HEIGHTS.length))])
    .join('')
}
