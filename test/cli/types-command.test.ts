import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { runCommandLine } from '../../lib/cli/command-line.ts'
import { typesCommand } from '../../lib/cli/types-command.ts'
import { CELERY } from '../celery/celery-python.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest, startCeleryWorker } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { useQueues } from '../support/queues.ts'
import { writtenTerminal } from './written-terminal.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const ROOT = join(import.meta.dirname, '..', '..')

/** Names in Python that are words of TypeScript's own. */
const WORDS = (
  'abstract asserts case catch const debugger default delete do enum export extends false function implements infer ' +
  'instanceof interface keyof let new null package private protected public readonly static super switch this throw ' +
  'true typeof unique var void'
).split(' ')

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooled-producer-types-'))
  afterTest(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Makes the type from a module of the folder `python`. */
async function typesOf(module: string, ...argv: string[]) {
  const before = process.env.PYTHONPATH
  process.env.PYTHONPATH = join(import.meta.dirname, 'python')
  try {
    const terminal = writtenTerminal()
    const code = await typesCommand(['--module', module, '--python', CELERY?.python ?? 'python3', ...argv], terminal)
    return { code, out: terminal.out(), err: terminal.err() }
  } finally {
    if (before === undefined) delete process.env.PYTHONPATH
    else process.env.PYTHONPATH = before
  }
}

celeryTest('a module’s signatures and annotations become types', async () => {
  const { code, out } = await typesOf('shop_tasks')

  expect(code).toBe(0)
  expect(
    out,
  ).toBe(`// Made by pooled-producer types from shop_tasks; what is changed here is lost when it is made again.

/** The tasks, for \`createCelery<Tasks>()\`. */
export interface Tasks {
  /** Adds. * / Not the end. */
  'shop.add': { args: [x: number, y?: number]; result: number }
  'shop.anything': {
    args: [first: unknown, second?: unknown, ...args: unknown[]]
    kwargs?: Record<string, unknown>
    result: unknown
  }
  'shop.bound': { args: [user: number]; result: null }
  'shop.odd \\'name\\'\\n\\u{202e}': { args: []; result: unknown }
  'shop.others': { args: []; kwargs: { name: string; [name: string]: unknown }; result: unknown }
  'shop.report': { args: [function_: number, default_?: string]; result: Record<string, unknown> }
  'shop.required': { args: []; kwargs: { year: number; format?: 'pdf' | 'csv' }; result: string }
  'shop.shapes': {
    args: [
      lists: Array<number | null>,
      pairs: [number, string],
      many: number[],
      table: Record<string, number[]>,
      mapping: Record<string, unknown>,
      either: number | string | null,
      color: 'red' | 'blue',
      line: { sku: string; count: number },
      extra: { note?: string },
      when: string,
      opaque: unknown,
      nested: Array<Record<string, number | null>>,
    ]
    result: boolean | null
  }
  'shop.shared': { args: [text: string, ...rest: boolean[]]; kwargs?: { flag?: boolean }; result: string[] }
  'shop.unresolved': { args: [a: unknown, b: number]; result: string }
  'shop.words': {
    args: [
${WORDS.map((word) => `      ${word}_?: null,\n`).join('')}      of?: null,
      object?: null,
    ]
    result: unknown
  }
}
`)
})

celeryTest(
  'what is made compiles, and checks the calls of an app',
  async () => {
    const folder = await temporaryFolder()
    const { code, err } = await typesOf('shop_tasks', '--out', join(folder, 'tasks.ts'))
    const calls = `
import { createCelery } from '${join(ROOT, 'lib', 'index.ts')}'
import type { Tasks } from './tasks.ts'
const app = createCelery<Tasks>()
void app.createTask('shop.add').delay(1)
void app.sendTask('shop.required', [], { year: 2026 })
void app.createTask('shop.report').delay(1, 'x')
void app.createTask('shop.anything').applyAsync([1], { more: true })
void app.createTask('shop.shared').applyAsync(['a', true, false], { flag: true })
// @ts-expect-error not a number
void app.createTask('shop.add').delay('1')
// @ts-expect-error no such format
void app.sendTask('shop.required', [], { year: 2026, format: 'doc' })
`
    await writeFile(join(folder, 'calls.ts'), calls)
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    const config = {
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        typeRoots: [join(ROOT, 'node_modules', '@types')],
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
      },
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ ...config, include: ['*.ts'] }))

    expect(code).toBe(0)
    expect(err).toBe(`pooled-producer types: wrote 11 tasks to ${join(folder, 'tasks.ts')}\n`)
    expect(() =>
      execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', folder], { stdio: 'pipe' }),
    ).not.toThrow()
  },
  60_000,
)

celeryTest(
  'running workers tell the names of their tasks',
  async () => {
    const worker = await startCeleryWorker({ brokerUrl: broker.url, queues: [queues.name()] })
    afterTest(() => worker.stop())
    const terminal = writtenTerminal()
    const code = await runCommandLine(
      ['types', '--broker', broker.url, '--destination', worker.node, '--timeout', '20'],
      terminal,
    )

    expect(terminal.err()).toBe('')
    expect(code).toBe(0)
    expect(terminal.out()).toContain('from running workers;')
    expect(terminal.out()).toContain("  'tasks.add': { args: unknown[]; kwargs?: Record<string, unknown> }\n")
    expect(terminal.out()).not.toContain('celery.')
  },
  60_000,
)

test('no worker, no broker or no Python is code 1, and says why without a secret', async () => {
  const nobody = writtenTerminal()
  const nowhere = writtenTerminal()
  const noPython = writtenTerminal()
  const timeout = ['--timeout', '0.2']

  expect(await typesCommand(['--broker', broker.url, '--destination', 'nobody@here', ...timeout], nobody)).toBe(1)
  expect(nobody.err()).toBe('pooled-producer types: no worker answered in 0.2 s\n')
  expect(await typesCommand(['--broker', 'amqp://user:secret@127.0.0.1:1', '--timeout', '1'], nowhere)).toBe(1)
  expect(nowhere.err()).toMatch(/ECONNREFUSED/)
  expect(nowhere.err()).not.toContain('secret')
  expect(await typesCommand(['--module', 'tasks', '--python', '/no/python'], noPython)).toBe(1)
  expect(noPython.err()).toMatch(/^pooled-producer types: \/no\/python cannot be run: .*ENOENT/)
  for (const { out } of [nobody, nowhere, noPython]) expect(out()).toBe('')
})

celeryTest('a module that cannot be imported is code 1, with Python’s reason', async () => {
  const { code, out, err } = await typesOf('no_such_module')

  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toBe(
    "pooled-producer types: no_such_module cannot be imported: ModuleNotFoundError: No module named 'no_such_module'\n",
  )
})

celeryTest('a file that cannot be written is code 1', async () => {
  const folder = await temporaryFolder()
  const { code, err } = await typesOf('shop_tasks', '--out', join(folder, 'missing', 'tasks.ts'))

  expect(code).toBe(1)
  expect(err).toMatch(/can't write .*ENOENT/)
  await expect(readFile(join(folder, 'missing', 'tasks.ts'))).rejects.toThrow()
})

test('wrong usage is code 2, and help code 0', async () => {
  const terminal = writtenTerminal()

  expect(await typesCommand(['--port', '1'], terminal)).toBe(2)
  expect(await typesCommand(['extra'], terminal)).toBe(2)
  expect(await typesCommand(['--timeout', 'soon'], terminal)).toBe(2)
  expect(await typesCommand(['--module', 'm', '--broker', 'amqp://'], terminal)).toBe(2)
  expect(await typesCommand(['--python', 'python3'], terminal)).toBe(2)
  expect(await typesCommand(['--broker', ''], terminal)).toBe(2)
  expect(terminal.out()).toBe('')
  expect(terminal.err()).toContain('--timeout must be a number of seconds, got soon')
  expect(await typesCommand(['--help'], terminal)).toBe(0)
  expect(terminal.out()).toContain('Usage: pooled-producer types')
})
