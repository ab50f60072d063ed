import { test } from '@jest/globals'

/** As jest's `test`. */
export type ConditionalTest = (name: string, run: () => Promise<void> | void, timeoutMs?: number) => void

/**
 * A `test` that runs where its need is met; elsewhere its tests are skipped, and one line says how many of the file
 * and why. Continuous integration takes a skipped test for a failure.
 */
export function testThatNeeds(need: string, isMet: boolean, reason: string): ConditionalTest {
  if (isMet) return test
  let skipped = 0
  return (name, run) => {
    test.skip(name, run)
    skipped++
    // By then the whole file has been read. No hook of jest runs in a file where all is skipped.
    if (skipped === 1) {
      setImmediate(() => process.stderr.write(`SKIPPED: ${skipped} tests that need ${need}: ${reason}\n`))
    }
  }
}
