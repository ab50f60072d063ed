import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { CELERY } from '../celery/celery-python.ts'
import { useBroker } from '../support/broker.ts'
import { type CeleryWorker, celeryTest, hasCelery, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { startScript } from '../support/script.ts'

const broker = useBroker()
const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'moving.md'), 'utf8')
/** The page's blocks of code: where they stand, what they are written in, and their text. */
const BLOCKS = [...PAGE.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ index, 1: language, 2: code }) => {
  const section = /.*^## (.+?)$/ms.exec(PAGE.slice(0, index))?.[1]
  const place = `${section}: ${/^(?:\/\/|#) (.+)$/m.exec(code as string)?.[1]}`
  return { place, language: language as string, code: code as string }
})

let worker: CeleryWorker | undefined
beforeAll(async () => {
  if (hasCelery()) worker = await startCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })
}, 90_000)
afterAll(() => worker?.stop(), 30_000)

/** The code with this run's broker and queue in place of the page's. */
function atHome(code: string): string {
  const { host } = new URL(broker.url)
  return code
    .replaceAll("'amqp://127.0.0.1'", `'${broker.url}'`)
    .replaceAll("'rpc://127.0.0.1'", `'rpc://${host}'`)
    .replaceAll("'math'", `'${worker?.queue}'`)
}

test('the page has code from each side of each move', () => {
  expect(BLOCKS.map(({ place }) => place)).toEqual([
    'From celery-node: before',
    'From celery-node: after',
    'From celery-node: after: on its own',
    'From celery-ts: before',
    'From celery-ts: after',
    'From celery-ts: after: on its own',
    'From a Python producer: before',
    'From a Python producer: after',
  ])
})

for (const { place, language, code } of BLOCKS) {
  celeryTest(
    `the code runs: ${place}`,
    async () => {
      if (language === 'python') {
        const run = spawnSync(CELERY?.python as string, ['-c', atHome(code)], { encoding: 'utf8', timeout: 60_000 })
        expect({ status: run.status, errors: run.stderr }).toMatchObject({ status: 0 })
        return
      }
      const failing =
        "console.assert = (holds) => { if (!holds) throw new Error('what the page says does not hold') }\n"
      // Some of the other clients keep their process alive.
      const script = startScript(`${failing}${atHome(code)}\nconsole.log('ran')\nsetTimeout(() => process.exit(), 200)`)
      afterTest(() => script.process.kill())

      let line = await script.nextLine()
      // The pool's own log, and what the page's code prints.
      while (line.startsWith('{') || line === '5') line = await script.nextLine()
      expect(line).toBe('ran')
    },
    90_000,
  )
}
