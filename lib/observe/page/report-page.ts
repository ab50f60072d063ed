import { count, counted, duration, percent } from '../figures.ts'
import type { LatencyFigures } from '../pool-figures.ts'
import type { PoolReport, ReuseReportResult } from '../reuse-report.ts'
import { channelBars } from './channel-bars.ts'
import { latencyChart } from './latency-chart.ts'
import { html, Markup } from './markup.ts'
import { STYLE } from './page-style.ts'
import { rateChart } from './rate-chart.ts'
import type { TimeSpan } from './scale.ts'

/** Pools drawn at most; the totals are of all. */
const MAX_POOLS = 20

/**
 * The report as one HTML page that needs nothing beside it: no script, no font, no picture from elsewhere. Names
 * from the log are escaped.
 *
 * @param skipped what of the log was passed over, in words; empty: nothing.
 */
export function reportPage(result: ReuseReportResult, skipped: string): string {
  const { pools, poolsLeftOut, records, totals, from, to } = result
  const shown = pools.slice(0, MAX_POOLS)
  const hidden = pools.length - shown.length + poolsLeftOut
  const span = from === null || to === null ? '' : `${shortDate(from)} to ${shortDate(to)} UTC`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Channel reuse${span && `, ${span}`}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>Channel reuse</h1>
<p class="soft">${span}${span && '; '}${counted(records, 'record')} of ${counted(totals.pools, 'pool')}${skipped && `; passed over ${skipped}`}</p>
${headline(totals)}
</header>
<main>
${shown.map(poolSection)}
${hidden > 0 && html`<p class="note">${counted(hidden, 'pool')} not shown</p>`}
</main>
</body>
</html>
`
  return page.html
}

function headline({ reuseRatio, publishes, channelsOpened, publishesPerChannel }: ReuseReportResult['totals']): Markup {
  const over = `${counted(publishes, 'publish')} over ${counted(channelsOpened, 'channel')}`
  if (reuseRatio === null || publishesPerChannel === null) return html`<p class="headline">${over}</p>`
  return html`<p class="headline"><b>${percent(reuseRatio)}</b> of publishes found their channel open: ${over}, ${count(publishesPerChannel)} per channel</p>`
}

function poolSection(pool: PoolReport): Markup {
  const { pid, hostname, run, advice, timeline, confirmTimeline, channels, channelsLeftOut } = pool
  const span = spanOf(pool)
  const about = [pid !== null && `pid ${pid}`, hostname !== null && `on ${hostname}`, run > 1 && `run ${run}`]
  return html`<section>
<h2>Pool ${pool.pool} <span class="soft">${about.filter(Boolean).join(' ')}</span></h2>
${cards(pool)}
${advice.length > 0 && html`<ul class="advice">${advice.map((line) => html`<li>${line}</li>`)}</ul>`}
${span !== undefined && timeline.buckets.length > 0 && rateChart(timeline, pool.publishes, span)}
${span !== undefined && channelBars(channels, channelsLeftOut, span)}
${span !== undefined && latencyChart(confirmTimeline, span)}
${latencyTable(pool)}
${countsTable(pool)}
</section>
`
}

/** From the first line to the last; a log of one moment still has a width. */
function spanOf({ from, to }: PoolReport): TimeSpan | undefined {
  if (from === null || to === null) return undefined
  const fromMs = Date.parse(from)
  return { fromMs, toMs: Math.max(Date.parse(to), fromMs + 1_000) }
}

function cards(pool: PoolReport): Markup {
  const figures: [string, string][] = [
    ['publishes', count(pool.publishes)],
    ['channels opened', count(pool.channelsOpened)],
    ['reuse', pool.reuseRatio === null ? '-' : percent(pool.reuseRatio)],
    ['leases', count(pool.leases)],
    ['leased at once', pool.maxLeased === null ? '-' : `${count(pool.maxLeased)} of ${count(pool.maxChannels ?? 0)}`],
    ['retries', count(pool.retries)],
    ['failures', count(pool.failures)],
    ['reconnects', count(pool.reconnects)],
  ]
  return html`<dl class="cards">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

function latencyTable({ waitMs, confirmMs, lifetimeMs }: PoolReport): Markup | false {
  const told: [string, LatencyFigures | null][] = [
    ['wait for a channel', waitMs],
    ['confirm by the broker', confirmMs],
  ]
  const rows = told.flatMap(([name, latency]) => (latency === null ? [] : [latencyRow(name, latency)]))
  if (rows.length === 0 && lifetimeMs === null) return false
  return html`<h3>Times</h3><div class="wide"><table><tr><th></th><th class="n">p50</th><th class="n">p99</th><th class="n">max</th></tr>${rows}${
    lifetimeMs !== null &&
    html`<tr><td>life of a channel</td><td class="n" colspan="2">${duration(lifetimeMs.mean)} in the mean</td><td class="n">${duration(lifetimeMs.max)}</td></tr>`
  }</table></div>`
}

function latencyRow(name: string, { p50, p99, max }: LatencyFigures): Markup {
  return html`<tr><td>${name}</td><td class="n">${duration(p50)}</td><td class="n">${duration(p99)}</td><td class="n">${duration(max)}</td></tr>`
}

function countsTable({ failuresByCode, retriesByCode, closeReasons }: PoolReport): Markup | false {
  const kinds = [
    ['failed', failuresByCode],
    ['sent again', retriesByCode],
    ['channel closed', closeReasons],
  ] as const
  const rows = kinds.flatMap(([what, counts]) =>
    Object.entries(counts).map(
      ([name, times]) => html`<tr><td>${what}</td><td>${name}</td><td class="n">${count(times)}</td></tr>`,
    ),
  )
  if (rows.length === 0) return false
  return html`<h3>What happened</h3><div class="wide"><table>${rows}</table></div>`
}

function shortDate(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ')
}
