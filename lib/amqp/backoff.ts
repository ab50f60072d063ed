const FIRST_MS = 100
/** Low enough that publishing resumes within two seconds of the broker's return. */
const LONGEST_MS = 1_000

/**
 * How long to wait before an attempt, in milliseconds: doubling from 100 to 1,000 unless told otherwise, of which a random
 * half is taken off, so that many producers do not come back in step.
 *
 * @param attempt 1 for the first wait.
 */
export function backoffMs(attempt: number, random: () => number = Math.random, longestMs: number = LONGEST_MS): number {
  const ceiling = Math.min(longestMs, FIRST_MS * 2 ** (attempt - 1))
  return Math.round(ceiling * (0.5 + random() / 2))
}
