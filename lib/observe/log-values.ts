/** How often each name occurred. */
export type Counts = Map<string, number>

/** Names counted apart at most; a log from anywhere must not fill the memory. */
const MAX_NAMES = 50
const OTHERS = '(others)'
/** The latest time that a Date holds (ECMAScript, "Time Values and Time Range"). */
const MAX_DATE_MS = 8.64e15

export function countUp(counts: Counts, name: string, times = 1): void {
  const known = counts.has(name) || counts.size < MAX_NAMES ? name : OTHERS
  counts.set(known, (counts.get(known) ?? 0) + times)
}

/** The most frequent first. */
export function countsInOrder(counts: Counts): Record<string, number> {
  // fromEntries defines, it does not assign: a name such as __proto__ is a name like others.
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a))
}

/** A number of things or of milliseconds, or undefined where a line holds anything else. */
export function amountOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined
}

/** A name or an id as text, or undefined where a line holds anything else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? `${value}`.slice(0, 200) : undefined
}

/** A time in milliseconds since 1970 as an ISO date; null when it is not known, or none that a Date holds. */
export function isoDate(ms: number | undefined): string | null {
  return ms === undefined || !(Math.abs(ms) <= MAX_DATE_MS) ? null : new Date(ms).toISOString()
}
