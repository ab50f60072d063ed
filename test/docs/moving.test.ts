import { spawnSync } from 'node:child_process'
import { expect, test } from '@jest/globals'
import { CELERY } from '../celery/celery-python.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, useCeleryWorker } from '../support/celery-worker.ts'
import { codeBlocks, runToItsEnd } from './code-blocks.ts'

const broker = useBroker()
const BLOCKS = codeBlocks('moving.md')

const worker = useCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })

/** The code with this run's broker and queue in place of the page's. */
function atHome(code: string): string {
  const { host } = new URL(broker.url)
  return code
    .replaceAll("'amqp://127.0.0.1'", `'${broker.url}'`)
    .replaceAll("'rpc://127.0.0.1'", `'rpc://${host}'`)
    .replaceAll("'math'", `'${worker().queue}'`)
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
      await expect(runToItsEnd(atHome(code))).resolves.toBeUndefined()
    },
    90_000,
  )
}
