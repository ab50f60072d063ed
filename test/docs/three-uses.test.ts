import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { freePort } from '../../lib/testing/free-port.ts'
import { runCommand } from '../../lib/testing/rabbitmq-node.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { startScript } from '../support/script.ts'
import { type CodeBlock, codeBlocks, runToItsEnd } from './code-blocks.ts'
import { ROOT, readersFolder } from './readers-folder.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** The code with this run's broker and a queue of its own in place of the page's. */
async function atHome(code: string): Promise<string> {
  return code.replaceAll('amqp://127.0.0.1', broker.url).replaceAll("'mail'", `'${await queues.declare()}'`)
}

function blocks(page: string, ending?: string): CodeBlock[] {
  return codeBlocks(page).filter(
    ({ language, place }) => language === 'js' && place.endsWith('.js') === (ending === '.js'),
  )
}

for (const page of ['wrapping.md', 'measuring.md']) {
  test.each(blocks(page))(
    `the code of ${page} runs: $place`,
    async ({ code }) => {
      await expect(runToItsEnd(await atHome(code))).resolves.toBeUndefined()
    },
    60_000,
  )
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly text: string
}

/** Starts a server of the page, posts an order to it, and ends it by SIGTERM. */
async function oneOrder(code: string, amqpUrl: string): Promise<Answer & { exit: number | null }> {
  const port = await freePort()
  const server = startScript(code, { PORT: `${port}`, AMQP_URL: amqpUrl })
  afterTest(() => server.process.kill('SIGKILL'))
  // What they write is not read otherwise, and a full pipe would hold them.
  server.process.stdout?.resume()
  let answer: Answer | undefined
  await until(async () => {
    answer = await post(`http://127.0.0.1:${port}/orders`)
    return answer !== undefined
  })
  const exit = once(server.process, 'exit')
  server.process.kill('SIGTERM')
  const [exitCode] = await exit
  return { ...(answer as Answer), exit: exitCode }
}

async function post(url: string): Promise<Answer | undefined> {
  const body = JSON.stringify({ email: 'ada@example.org' })
  try {
    const headers = { 'content-type': 'application/json', connection: 'close' }
    const response = await fetch(url, { method: 'POST', headers, body })
    return { status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text() }
  } catch {
    return undefined // It does not listen yet.
  }
}

test.each(blocks('api-server.md', '.js'))(
  'the server answers 202 with a broker, and ends in order: $place',
  async ({ code }) => {
    const answer = await oneOrder(await atHome(code), broker.url)

    expect(answer).toMatchObject({ status: 202, exit: 0 })
    expect(JSON.parse(answer.text)).toEqual({ taskId: expect.stringMatching(/^[\da-f-]{36}$/) })
  },
  60_000,
)

test.each(blocks('api-server.md', '.js'))(
  'the server answers 503 with Retry-After without one: $place',
  async ({ code }) => {
    const answer = await oneOrder(code, NOWHERE)

    expect(answer).toMatchObject({ status: 503, exit: 0 })
    expect(Number(answer.retryAfter)).toBeGreaterThanOrEqual(1)
  },
  60_000,
)

test('the commands of measuring.md run, on the log that its program writes', async () => {
  const folder = readersFolder()
  const page = codeBlocks('measuring.md')
  const program = page.find(({ place }) => place.endsWith('work.js'))?.code as string
  writeFileSync(join(folder, 'work.js'), await atHome(program))
  const commands = page.filter(({ language }) => language === 'sh').map(({ code }) => code)
  // What npx would start, without asking a registry.
  const npx = `npx() { node ${ROOT}/dist/cli/main.js "\${@:2}"; }`
  const script = [
    'set -euo pipefail',
    `cd ${folder}`,
    `export AMQP_URL=${broker.url}`,
    npx,
    await atHome(commands.join('')),
  ]

  const written = await runCommand({ command: 'bash', args: ['-c'], env: process.env }, [script.join('\n')])

  expect(written).toMatch(/99\.\d+ % channel reuse: 1,000 publishes over \d channels?/)
  expect(written).toMatch(/^pooled +200 /m)
  const report = JSON.parse(readFileSync(join(folder, 'reuse.json'), 'utf8'))
  expect(report.pools[0]).toMatchObject({ publishes: 1_000, failures: 0 })
  expect(readFileSync(join(folder, 'reuse.html'), 'utf8')).toContain('<!doctype html>')
}, 90_000)
