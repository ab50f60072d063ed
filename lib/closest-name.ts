/** The one of the names that a Python spelling or a slip of the fingers was meant for, if there is one. */
export function closestName(name: string, names: readonly string[]): string | undefined {
  const plain = name.replaceAll(/[_-]/g, '').toLowerCase()
  const begun = names.filter((candidate) => plain !== '' && candidate.toLowerCase().startsWith(plain))
  if (begun.length === 1) return begun[0]
  let best: string | undefined
  let least = Math.min(3, Math.floor(plain.length / 3) + 1)
  // No slip makes a name this long.
  if (plain.length > 40) return undefined
  for (const candidate of names) {
    const distance = editDistance(plain, candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Letters to insert, delete or replace to make one word of the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}
