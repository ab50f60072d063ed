import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterTest } from '../support/cleanup.ts'

export const ROOT: string = join(import.meta.dirname, '..', '..')

/** A folder such as a reader's, in which the package is installed, and others beside it; gone after the test. */
export function readersFolder(others: readonly string[] = []): string {
  const folder = mkdtempSync(join(tmpdir(), 'pooled-producer-docs-'))
  afterTest(() => rmSync(folder, { recursive: true }))
  const installed = (name: string, from: string) => {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(from, link)
  }
  installed('pooled-producer', ROOT)
  for (const name of others) installed(name, join(ROOT, 'node_modules', name))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}
