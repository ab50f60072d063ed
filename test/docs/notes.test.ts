import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
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
