import type { ChannelFigures } from '../channel-tally.ts'
import { count, counted, duration } from '../figures.ts'
import { percent, timeAxis } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { place, type TimeSpan, timeTicks } from './scale.ts'

/** Bars shown at most; the figures beside them are of all. */
const MAX_BARS = 40

/** The life of each channel as a bar over time: the one picture in which reuse is seen at a glance. */
export function channelBars(channels: readonly ChannelFigures[], leftOut: number, span: TimeSpan): Markup | false {
  const timed = channels.filter(({ openedAt, closedAt }) => openedAt !== null || closedAt !== null)
  if (timed.length === 0) return false
  const shown = timed.slice(0, MAX_BARS).sort((a, b) => startOf(a, span) - startOf(b, span))
  const hidden = channels.length - shown.length + leftOut
  return html`<figure class="chart">
<figcaption><h3>Channels over time</h3><ul class="legend"><li><i class="open"></i>open at the end</li><li><i class="closed"></i>closed</li></ul></figcaption>
<ol class="bars">${shown.map((channel) => bar(channel, span))}</ol>
<div class="under">${timeAxis(timeTicks(span))}</div>
${hidden > 0 && html`<p class="note">${counted(hidden, 'channel')} with fewer publishes not drawn</p>`}
</figure>
`
}

function bar(channel: ChannelFigures, span: TimeSpan): Markup {
  const { channel: id, closedAt, publishes, leases, lifetimeMs, reason, isOpen } = channel
  const left = place(startOf(channel, span), span)
  const right = closedAt === null ? 1 : place(Date.parse(closedAt), span)
  const says = [
    publishes !== null && counted(publishes, 'publish'),
    leases !== null && counted(leases, 'lease'),
    lifetimeMs !== null && `lived ${duration(lifetimeMs)}`,
    isOpen ? 'open' : (reason ?? 'closed'),
  ].filter((part) => part !== false)
  return html`<li title="channel ${id}: ${says.join(', ')}"><span class="who">channel ${id}</span><span class="track"><b class="${isOpen ? 'open' : 'closed'}" style="left:${percent(left)};width:${percent(Math.max(0, right - left))}"></b></span><span class="what">${publishes === null ? '' : count(publishes)}</span></li>`
}

/** One that was open before the log began is drawn from its begin. */
function startOf({ openedAt }: ChannelFigures, { fromMs }: TimeSpan): number {
  return openedAt === null ? fromMs : Date.parse(openedAt)
}
