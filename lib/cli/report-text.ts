import { count, counted, duration, percent } from '../observe/figures.ts'
import type { LatencyFigures } from '../observe/pool-figures.ts'
import type { PoolReport, ReuseReportResult } from '../observe/reuse-report.ts'
import { doubled, type TimelineFigures } from '../observe/timeline.ts'
import { printable } from './terminal.ts'
import { textTable } from './text-table.ts'

/** Pools and channels shown one by one; `--json` has the others. */
const MAX_POOLS_SHOWN = 10
const MAX_CHANNELS_SHOWN = 12
const MAX_STRETCHES_SHOWN = 20

/** The report as a page of text, names from the log made safe for a terminal. */
export function reportText(result: ReuseReportResult, emphasised: (text: string) => string): string {
  const { totals, pools, poolsLeftOut, records, from, to } = result
  const shown = pools.slice(0, MAX_POOLS_SHOWN)
  const hidden = pools.length - shown.length + poolsLeftOut
  const span = from === null || to === null ? '' : `, ${shortDate(from)} to ${shortDate(to)} UTC`
  const skipped = skippedText(result)
  const blocks = [
    `${counted(records, 'record')} of ${counted(totals.pools, 'pool')}${span}${skipped && `; passed over ${skipped}`}`,
    emphasised(headline(totals)),
    ...shown.map((pool) => poolText(pool, emphasised)),
    hidden > 0 && `${counted(hidden, 'pool')} not shown`,
  ]
  return `${blocks.filter((block) => block !== false).join('\n\n')}\n`
}

/** `3 lines that are not JSON, 1 truncated line`; empty when all lines were ours. */
export function skippedText({ skipped }: ReuseReportResult): string {
  const { notJson, otherRecords, truncated } = skipped
  return [
    otherRecords > 0 && counted(otherRecords, 'other record'),
    notJson > 0 && `${counted(notJson, 'line')} not JSON`,
    truncated > 0 && counted(truncated, 'truncated line'),
  ]
    .filter((part) => part !== false)
    .join(', ')
}

function headline({ publishes, channelsOpened, publishesPerChannel, reuseRatio }: ReuseReportResult['totals']): string {
  const over = `${counted(publishes, 'publish')} over ${counted(channelsOpened, 'channel')}`
  if (reuseRatio === null || publishesPerChannel === null) return over
  return `${percent(reuseRatio)} channel reuse: ${over}, ${count(publishesPerChannel)} per channel`
}

function poolText(pool: PoolReport, emphasised: (text: string) => string): string {
  const title = emphasised(`pool ${printable(pool.pool)}${processText(pool)}`)
  const blocks = [
    `${title}\n${figuresTable(pool)}`,
    latencyTable(pool),
    countsText(pool),
    channelsTable(pool),
    timelineTable(pool),
    pool.advice.length > 0 && pool.advice.map((line) => `- ${printable(line)}`).join('\n'),
  ]
  return blocks.filter((block) => block !== false && block !== '').join('\n\n')
}

function processText({ pid, hostname, run }: PoolReport): string {
  const parts = [
    pid !== null && `pid ${pid}`,
    hostname !== null && `on ${printable(hostname)}`,
    run > 1 && `run ${count(run)}`,
  ].filter((part) => part !== false)
  return parts.length === 0 ? '' : ` (${parts.join(' ')})`
}

function figuresTable(pool: PoolReport): string {
  const { publishes, leases, channelsOpened, publishesPerChannel, reuseRatio, retries, failures, reconnects } = pool
  return textTable(
    ['publishes', 'leases', 'channels', 'per channel', 'reuse', 'retries', 'failures', 'reconnects'],
    [
      [
        count(publishes),
        count(leases),
        count(channelsOpened),
        figure(publishesPerChannel),
        reuseRatio === null ? '-' : percent(reuseRatio),
        count(retries),
        count(failures),
        count(reconnects),
      ],
    ],
  )
}

function latencyTable({ waitMs, confirmMs }: PoolReport): string {
  const rows = [latencyRow('wait for a channel', waitMs), latencyRow('confirm by the broker', confirmMs)]
  const told = rows.filter((row) => row !== undefined)
  return told.length === 0
    ? ''
    : textTable(['ms', 'p50', 'p99', 'max', 'from'], told, ['left', 'right', 'right', 'right', 'left'])
}

function latencyRow(name: string, latency: LatencyFigures | null): string[] | undefined {
  if (latency === null) return undefined
  const { p50, p99, max, from } = latency
  return [
    name,
    milliseconds(p50),
    milliseconds(p99),
    milliseconds(max),
    from === 'lines' ? 'debug lines' : 'pool.summary',
  ]
}

function countsText({ closeReasons, failuresByCode, retriesByCode }: PoolReport): string {
  return [named('closed', closeReasons), named('failed', failuresByCode), named('sent again', retriesByCode)]
    .filter((line) => line !== '')
    .join('\n')
}

function named(title: string, counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, times]) => `${printable(name)} ${count(times)}`)
  return parts.length === 0 ? '' : `${title}: ${parts.join(', ')}`
}

function channelsTable({ channels, channelsLeftOut }: PoolReport): string {
  if (channels.length === 0) return ''
  const shown = channels.slice(0, MAX_CHANNELS_SHOWN)
  const hidden = channels.length - shown.length + channelsLeftOut
  const table = textTable(
    ['channel', 'connection', 'publishes', 'leases', 'lived', 'end'],
    shown.map(({ channel, connection, publishes, leases, lifetimeMs, reason, isOpen }) => [
      printable(channel),
      printable(connection ?? '-'),
      figure(publishes),
      figure(leases),
      lifetimeMs === null ? '-' : duration(lifetimeMs),
      isOpen ? 'open' : printable(reason ?? 'closed'),
    ]),
    ['left', 'left', 'right', 'right', 'right', 'left'],
  )
  return hidden > 0 ? `${table}\n${counted(hidden, 'channel')} not shown` : table
}

function timelineTable(pool: PoolReport): string {
  const { bucketMs, buckets } = fewer(pool.timeline)
  if (buckets.length < 2) return ''
  return textTable(
    [`from, each ${duration(bucketMs)}`, 'publishes', 'opened', 'reuse'],
    buckets.map(({ from, publishes, channelsOpened, reuseRatio }) => [
      shortDate(from),
      count(publishes),
      count(channelsOpened),
      reuseRatio === null ? '-' : percent(reuseRatio),
    ]),
    ['left', 'right', 'right', 'right'],
  )
}

/** A timeline in stretches so long that they fit a screen. */
function fewer(timeline: TimelineFigures): TimelineFigures {
  if (timeline.buckets.length <= MAX_STRETCHES_SHOWN) return timeline
  return fewer(doubled(timeline))
}

function figure(value: number | null): string {
  return value === null ? '-' : count(value)
}

/** At most three decimals: the histogram knows microseconds. */
function milliseconds(ms: number): string {
  return ms >= 100 ? count(ms) : `${Number(ms.toFixed(ms >= 10 ? 1 : 3))}`
}

function shortDate(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ')
}
