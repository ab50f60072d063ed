/** The name that a mistyped word most likely meant, or undefined when none is near. */
export function closestName(word: string, names: readonly string[]): string | undefined {
  const begun = names.filter((name) => name.startsWith(word))
  if (begun.length === 1) return begun[0]
  const [best] = names.map((name) => ({ name, edits: edits(word, name) })).sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= Math.max(2, best.name.length / 3) ? best.name : undefined
}

/** Letters to add, to drop or to change, to make one word into the other (Levenshtein's distance). */
function edits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row += 1) {
    const line = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const kept = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      line.push(Math.min(kept, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1))
    }
    above = line
  }
  return above[to.length] ?? 0
}
