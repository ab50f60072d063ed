import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const ROOT = join(import.meta.dirname, '..', '..')

test('each feature of the README’s table names a test that there is', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const table = /^## Beside the others$(.+?)^## /ms.exec(readme)?.[1] ?? ''
  const files = [...table.matchAll(/\| `([^`]+\.test\.ts)` \|$/gm)].map(([, file]) => file as string)

  expect(files.length).toBeGreaterThan(25)
  expect(files.filter((file) => !existsSync(join(ROOT, 'test', file)))).toEqual([])
})
