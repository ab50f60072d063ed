import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** The version of a package that this one can import; `unknown` where its files do not say. */
export function installedVersion(name: string): string {
  try {
    // Not through `<name>/package.json`: most packages do not export that file.
    const entry = createRequire(import.meta.url).resolve(name)
    const folder = join('node_modules', name)
    const root = entry.slice(0, entry.lastIndexOf(folder) + folder.length)
    return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
  } catch {
    return 'unknown'
  }
}
