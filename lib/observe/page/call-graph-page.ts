import { boxColours } from '../callgraph/box-colours.ts'
import type { CallGraph } from '../callgraph/call-graph.ts'
import { count, counted, share } from '../figures.ts'
import { CALL_GRAPH_STYLE } from './call-graph-style.ts'
import { html, Markup } from './markup.ts'
import { STYLE } from './page-style.ts'

/** A graph, and how it is drawn. */
export interface DrawnGraph {
  /** What was run. */
  readonly title: string
  /** What it did, in words. */
  readonly about: string
  readonly graph: CallGraph
  /** The drawing as Graphviz gives it. */
  readonly svg: string
}

const MOST_FUNCTIONS = 15
const LEGEND = [0, 0.01, 0.05, 0.25]

/** Call graphs, side by side where there is room, as one HTML page that needs nothing beside it: no script, no font. */
export function callGraphPage(graphs: readonly DrawnGraph[]): string {
  const title = `Call graph: ${graphs.map((drawn) => drawn.title).join(', ')}`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(STYLE + CALL_GRAPH_STYLE)}</style>
</head>
<body class="broad">
<header>
<h1>${title}</h1>
<p class="soft">Each box is a function, in the frame of its package. Self is the time of its own code and of what it called that has no box, total the time with all that it called; shares are of the time in which the processor was busy. A line says what a function spent in one that it called.</p>
<ul class="legend">${LEGEND.map(
    (part) =>
      html`<li><i style="background:${boxColours(part).fill}"></i>self ${share(part)}${part === 0.25 && ' or more'}</li>`,
  )}</ul>
</header>
<main class="pair">
${graphs.map(section)}
</main>
</body>
</html>
`
  return page.html
}

function section({ title, about, graph, svg }: DrawnGraph): Markup {
  const { functions, packages, busyMs, samples } = graph
  const says = `The call graph of ${title}: ${counted(functions.length, 'function')}, whose times stand in the table below`
  return html`<section>
<h2>${title}</h2>
<p class="soft">${about}; ${counted(samples, 'sample')} of ${count(busyMs)} ms of work</p>
<figure class="calls" tabindex="0" role="region" aria-label="${says}">
${functions.length === 0 ? html`<p class="note">no function to draw</p>` : inlined(svg)}
</figure>
<h3>By package</h3>
<div class="wide"><table><tr><th>package</th><th class="n">self</th></tr>${packages.map(
    ({ name, share: part }) => html`<tr><td>${name}</td><td class="n">${share(part)}</td></tr>`,
  )}</table></div>
<h3>Where the time goes</h3>
<div class="wide"><table><tr><th>function</th><th>place</th><th class="n">self</th><th class="n">total</th></tr>${functions
    .slice(0, MOST_FUNCTIONS)
    .map(
      ({ name, package: home, place, self, total }) =>
        html`<tr><td>${name}</td><td>${home} ${place}</td><td class="n">${share(self)}</td><td class="n">${share(total)}</td></tr>`,
    )}</table></div>
</section>
`
}

/** The drawing as part of a page: without the head of a file, and without ids, which two drawings have in common. */
function inlined(svg: string): Markup {
  const drawing = svg.slice(svg.indexOf('<svg'))
  return new Markup(drawing.replace(/<!--.*?-->\n?/gs, '').replace(/(<(?:g|svg)\b[^>]*?) id="[^"]*"/g, '$1'))
}
