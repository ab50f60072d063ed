import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const FOLDER = join(import.meta.dirname, 'faults')
/** Faults and bad inputs of the catalogue, each with its number. */
const ROWS = 72

/** The rows that a file of tests names. */
function rowsOf(text: string): number[] {
  const named = [...text.matchAll(/['"`]row (\d+)\b/g)]
  // Where names are built from a list, the numbers stand there: `[14, 'both ways are lost', ...]`.
  const listed = /['"`]row \$\{row\}/.test(text) ? text.matchAll(/^\s*\[(\d+), ['"`]/gm) : []
  return [...named, ...listed].map(([, row]) => Number(row))
}

test('every row of the fault catalogue has a test that names it', () => {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.test.ts'))
  const tested = new Set(files.flatMap((file) => rowsOf(readFileSync(join(FOLDER, file), 'utf8'))))
  const missing = Array.from({ length: ROWS }, (_, index) => index + 1).filter((row) => !tested.has(row))

  expect(missing).toEqual([])
})
