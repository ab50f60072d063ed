const SPECIAL = /[.*+?^${}()|[\]\\/-]/g

/**
 * A shell pattern as an expression that matches whole names. Source: Python, `fnmatch.translate`: `*` is
 * anything, `?` one character, `[ab-z]` one of these, `[!ab]` one of all others; there is no escape.
 */
export function globExpression(glob: string): RegExp {
  let source = ''
  for (let at = 0; at < glob.length; at++) {
    const letter = glob[at] as string
    const end = letter === '[' ? setEnd(glob, at) : -1
    if (end > 0) {
      source += setSource(glob.slice(at + 1, end))
      at = end
    } else if (letter === '*') {
      source += '.*'
    } else {
      source += letter === '?' ? '.' : letter.replace(SPECIAL, '\\$&')
    }
  }
  return new RegExp(`^${source}$`, 's')
}

/** Where the set that begins here ends; -1: it is a plain bracket. A `]` that comes first belongs to the set. */
function setEnd(glob: string, start: number): number {
  let from = start + 1
  if (glob[from] === '!') from++
  if (glob[from] === ']') from++
  return glob.indexOf(']', from)
}

function setSource(set: string): string {
  const isNegated = set.startsWith('!')
  const members = isNegated ? set.slice(1) : set
  // A range such as z-a is empty, and a pattern must not fail for it.
  const ranges = members.replace(/([\s\S])-([\s\S])/g, (range, from: string, to: string) => (from > to ? '' : range))
  if (ranges === '') return isNegated ? '.' : '(?!)'
  const escaped = ranges.replace(/[\\\]^[]/g, '\\$&')
  return `[${isNegated ? '^' : ''}${escaped}]`
}
