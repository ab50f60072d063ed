import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { runCommand } from '../../lib/testing/rabbitmq-node.ts'
import { CELERY } from '../celery/celery-python.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { useQueues } from '../support/queues.ts'
import { codeBlocks } from './code-blocks.ts'
import { ROOT, readersFolder } from './readers-folder.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const BLOCKS = codeBlocks('../README.md')
const COMMANDS = BLOCKS.filter(({ language }) => language === 'sh')

/** The block of commands that has this in it. */
function commandsWith(text: string): string {
  const block = COMMANDS.find(({ code }) => code.includes(text))
  if (block === undefined) throw new Error(`the README has no commands with ${text}`)
  return block.code
}

/** What the README says that a command prints. */
function outputOf(beginning: RegExp): string {
  return BLOCKS.find(({ language, code }) => language === '' && beginning.test(code))?.code ?? ''
}

/** Runs commands in a folder; npx finds the program without asking a registry. */
function run(commands: string, folder: string): Promise<string> {
  // Who follows a log ends it by Ctrl-C, which is exit code 130.
  const npx = [
    'npx() {',
    `  local run=(node ${ROOT}/dist/cli/main.js "\${@:2}")`,
    `  [[ "$*" == *--follow* ]] || { "\${run[@]}"; return; }`,
    `  timeout --preserve-status --signal INT 3 "\${run[@]}" || [[ $? == 130 ]]`,
    '}',
  ]
  const script = ['set -euo pipefail', `cd ${folder}`, `export AMQP_URL=${broker.url}`, ...npx, commands].join('\n')
  return runCommand({ command: 'bash', args: ['-c'], env: process.env }, [script])
}

/** The shape of what was printed: figures, and how wide they make a column, differ from run to run. */
function shape(text: string): string[] {
  const words = text.replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID').replace(/\d[\d,.]*/g, '0')
  return words
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '))
}

test('the README has these blocks of commands', () => {
  expect(COMMANDS.map(({ heading, code }) => `${heading}: ${code.split(' ').slice(0, 3).join(' ')}`)).toEqual([
    ': npm run demo',
    'Three ways to use it: npm install pooled-producer\n',
    '3. Measuring channel reuse: node server.js |',
    'Load test: npx pooled-producer load-test',
    'Typed tasks: npx pooled-producer types',
  ])
})

// They are the whole of this package's own runs, and an install from the registry: neither can run inside a test.
test('the commands of npm are scripts of the package, or install it by its name', () => {
  const lines = [...commandsWith('npm run demo').trim().split('\n'), commandsWith('npm install').trim()]
  const [scripts, [installed]] = [lines.slice(0, -1), lines.slice(-1)]

  const names = scripts.map((line) => /^npm (?:run )?([\w:]+)/.exec(line)?.[1])
  expect(names).toEqual(['demo', 'test'])
  expect(Object.keys(PACKAGE.scripts)).toEqual(expect.arrayContaining(names))
  expect(installed).toBe(`npm install ${PACKAGE.name}`)
})

test('every `npm run` of the README names a script that there is', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const names = [...readme.matchAll(/`npm run ([\w:]+)/g)].map(([, name]) => name)

  expect(names.length).toBeGreaterThan(5)
  expect(names.filter((name) => !(`${name}` in PACKAGE.scripts))).toEqual([])
})

test('the demo prints what the README shows', async () => {
  const printed = await run('npx pooled-producer demo --tasks 20 2>/dev/null', readersFolder())

  const shown = shape(outputOf(/^RabbitMQ .+ \(a private node\)/))
  expect(shape(printed).slice(1)).toEqual(shown.slice(1).map((line) => line.replace('a private node', 'AMQP_URL')))
}, 60_000)

test('the commands about a log make a report and a page', async () => {
  const folder = readersFolder()
  const lease = BLOCKS.find(({ code }) => code.includes('pool.acquire({'))?.code as string
  const server = lease.replace('amqp://127.0.0.1', broker.url).replaceAll("'mail'", `'${await queues.declare()}'`)
  writeFileSync(join(folder, 'server.js'), `${server}\nawait pool.close()`)

  const printed = await run(commandsWith('pooled-producer report'), folder)

  expect(printed).toContain('0 % channel reuse: 1 publish over 1 channel')
  expect(readFileSync(join(folder, 'reuse.html'), 'utf8')).toContain('<!doctype html>')
}, 60_000)

test('the load test prints what the README shows', async () => {
  const commands = commandsWith('load-test')
    .replace(/amqp:\S+/, broker.url)
    .replace('2000', '20')

  const printed = await run(`${commands.trim()} 2>/dev/null`, readersFolder())

  expect(shape(printed)).toEqual(shape(outputOf(/^pooled_producer\.load_test to/m)))
}, 60_000)

celeryTest(
  'the types of tasks are made from a module and from running workers',
  async () => {
    const folder = readersFolder()
    const worker = await startCeleryWorker({ brokerUrl: broker.url })
    afterTest(() => worker.stop())
    const [fromModule, fromWorkers] = commandsWith('pooled-producer types')
      .replace('shop.tasks', 'shop_tasks')
      .replace('.venv/bin/python', CELERY?.python as string)
      .replace('amqp://127.0.0.1', broker.url)
      .trim()
      .split('\n')
    const made = async (command = '') => {
      await run(`export PYTHONPATH=${ROOT}/test/cli/python PYTHONDONTWRITEBYTECODE=1\n${command}`, folder)
      return readFileSync(join(folder, 'tasks.ts'), 'utf8')
    }

    expect(await made(fromModule)).toContain("'shop.add'")
    expect(await made(fromWorkers)).toContain("'tasks.add'")
  },
  90_000,
)
