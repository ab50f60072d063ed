import { html, type Markup } from './markup.ts'
import type { Tick } from './scale.ts'

/** The coordinates of a drawing: it is stretched to its place, so only shapes are drawn in it, never text. */
export const WIDTH = 1_000
export const HEIGHT = 100
const NEAR_END = 0.05

/** A chart: a drawing between two axes. */
export interface ChartParts {
  readonly title: string
  /** What the drawing shows, for those who cannot see it. */
  readonly says: string
  readonly drawing: Markup
  readonly xTicks: readonly Tick[]
  readonly yTicks: readonly Tick[]
  readonly legend: readonly { readonly className: string; readonly label: string }[]
  /** What there is to say where the drawing shows nothing. */
  readonly note?: string | undefined
}

/** Axes are text of the page, which keeps its size when the drawing is stretched. */
export function chart({ title, says, drawing, xTicks, yTicks, legend, note }: ChartParts): Markup {
  return html`<figure class="chart">
<figcaption><h3>${title}</h3><ul class="legend">${legend.map(
    ({ className, label }) => html`<li><i class="${className}"></i>${label}</li>`,
  )}</ul></figcaption>
<div class="plot">
<ol class="y">${yTicks.map(({ at, label }) => html`<li style="bottom:${percent(at)}">${label}</li>`)}</ol>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${says}">${grid(yTicks)}${drawing}</svg>
${timeAxis(xTicks)}
</div>
${note !== undefined && html`<p class="note">${note}</p>`}
</figure>
`
}

export function timeAxis(ticks: readonly Tick[]): Markup {
  return html`<ol class="x">${ticks.map(
    ({ at, label }) => html`<li class="${endOf(at)}" style="left:${percent(at)}">${label}</li>`,
  )}</ol>`
}

/** A label at an end of the axis stands inside of it, so that it is not cut off. */
function endOf(at: number): string {
  if (at < NEAR_END) return 'first'
  return at > 1 - NEAR_END ? 'last' : ''
}

/** `12.34%`, as a style wants it. */
export function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`
}

/** A corner of a line. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** Points from 0 to 1, the second upwards, as a path's coordinates. */
export function path(points: readonly Point[]): string {
  return points.map(({ x, y }) => `${number(x * WIDTH)} ${number((1 - y) * HEIGHT)}`).join('L')
}

function number(value: number): number {
  return Math.round(value * 100) / 100
}

function grid(ticks: readonly Tick[]): Markup[] {
  return ticks.map(({ at }) => html`<path class="grid" d="M${path([{ x: 0, y: at }])}H${WIDTH}"/>`)
}
