import { share } from '../figures.ts'
import { boxColours } from './box-colours.ts'
import type { CallGraph, GraphCall, GraphFunction } from './call-graph.ts'

const FONT = 'Helvetica,Arial,sans-serif'
const LONGEST_NAME = 40
const WIDEST_LINE = 6

/**
 * The graph in Graphviz's language: a box for each function, in a frame for each package. Room is kept for text a
 * quarter larger than the page shows it: its font may be wider than the one that Graphviz reckons with.
 */
export function dotText({ functions, calls, packages }: CallGraph): string {
  const frames = packages.flatMap(({ name, share: part }, index) => {
    const members = functions.filter((member) => member.package === name)
    if (members.length === 0) return []
    const label = quoted(`${name}  ${share(part)}`)
    return [`subgraph cluster_${index} { class=package; label=${label}; style=rounded; ${members.map(box).join(' ')} }`]
  })
  return `digraph calls {
graph [bgcolor=transparent, fontname="${FONT}", fontsize=16, nodesep=0.3, ranksep=0.5]
node [shape=box, style=filled, color="#57606a", fontname="${FONT}", fontsize=15]
edge [fontname="${FONT}", fontsize=14, arrowsize=0.7]
${frames.join('\n')}
${calls.map(line).join('\n')}
}
`
}

function box({ id, name, place, self, total }: GraphFunction): string {
  const { fill, text } = boxColours(self)
  const lines = [shortened(name), place, `self ${share(self)}, total ${share(total)}`].filter((part) => part !== '')
  return `${quoted(id)} [label=${quoted(...lines)}, fillcolor="${fill}", fontcolor="${text}"];`
}

function line({ from, to, share: part }: GraphCall): string {
  const width = (0.8 + part * (WIDEST_LINE - 0.8)).toFixed(2)
  return `${quoted(from)} -> ${quoted(to)} [label=${quoted(` ${share(part)}`)}, penwidth=${width}]`
}

function shortened(name: string): string {
  const letters = Array.from(name)
  return letters.length <= LONGEST_NAME ? name : `${letters.slice(0, LONGEST_NAME - 3).join('')}...`
}

// A line break of the text's own would be one of the label's, and the others cannot stand in SVG.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Lines of a label, in which a backslash and an ampersand have a meaning of their own. */
function quoted(...lines: readonly string[]): string {
  const safe = lines.map((text) => {
    return text.replace(UNPRINTABLE, ' ').replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('&', '&amp;')
  })
  return `"${safe.join('\\n')}"`
}
