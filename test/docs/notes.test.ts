import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { ERROR_CODES } from '../../lib/errors.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { codeBlocks, readPage, runToItsEnd } from './code-blocks.ts'

const broker = useBroker()
const ROOT = join(import.meta.dirname, '..', '..')

test.each(codeBlocks('security.md'))(
  'the code of security.md runs: $place',
  async ({ code }) => {
    const folder = mkdtempSync(join(tmpdir(), 'pooled-producer-docs-'))
    afterTest(() => rmSync(folder, { recursive: true }))
    const { username, password, host } = new URL(broker.url)
    const secret = join(folder, 'secret.json')
    writeFileSync(secret, JSON.stringify({ username: username || 'guest', password: password || 'guest' }))
    const atHome = code
      .replaceAll('amqp://127.0.0.1', code.includes('credentials') ? `amqp://${host}` : broker.url)
      .replaceAll('/run/secrets/rabbitmq', secret)
      .replaceAll("'mail'", `'${broker.queueName()}'`)

    await expect(runToItsEnd(atHome)).resolves.toBeUndefined()
  },
  60_000,
)

test('upgrading.md names every door of the package', () => {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const doors = Object.keys(exports).filter((path) => path !== './package.json')
  const page = readPage('upgrading.md')

  expect(doors.filter((path) => !page.includes(`\`${name}${path.slice(1)}\``))).toEqual([])
})

const PAGES = readdirSync(join(ROOT, 'docs')).filter((file) => file.endsWith('.md'))

test.each(PAGES)('%s names error codes that there are, and links to files that there are', (page) => {
  const text = readPage(page)
  const codes = [...text.matchAll(/`(ERR_[A-Z_]+)`/g)].map(([, code]) => code as string)
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link as string)
  const files = links.filter((link) => !link.startsWith('https:'))

  // Node's own, for an import that the package does not allow.
  const known: readonly string[] = [...ERROR_CODES, 'ERR_PACKAGE_PATH_NOT_EXPORTED']
  expect(codes.filter((code) => !known.includes(code))).toEqual([])
  expect(files.filter((file) => !existsSync(join(ROOT, 'docs', file)))).toEqual([])
})
