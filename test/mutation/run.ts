import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import setUp from '../support/global-setup.ts'
import tearDown from '../support/global-teardown.ts'
import { JUDGES, type Judges } from './judges.ts'

/** A change, as Stryker reports it. */
interface Mutant {
  readonly status: 'Killed' | 'Timeout' | 'RuntimeError' | 'Survived' | 'NoCoverage'
  readonly mutatorName: string
  readonly replacement?: string
  readonly location: { readonly start: { readonly line: number; readonly column: number } }
}

const REPORTS = 'test/mutation/reports'
const STRYKER = 'test/mutation/node_modules/@stryker-mutator/core/bin/stryker.js'
const SETTINGS = 'test/mutation/stryker.config.js'

/** `npm run mutation -- [amqp/ledger ...]`: the sources named, or all whose last report is older than they are. */
async function run(names: readonly string[]): Promise<void> {
  for (const name of names) if (JUDGES[name] === undefined) throw new Error(`judges.ts names no tests for ${name}`)
  const all = Object.entries(JUDGES)
  const due = all.filter(([name, judges]) => (names.length > 0 ? names.includes(name) : isDue(name, judges)))
  mkdirSync(REPORTS, { recursive: true })
  await setUp()
  try {
    const startedAt = Date.now()
    for (const [index, [name, judges]] of due.entries()) {
      if (!(await change(name, judges))) continue
      const minutes = (Date.now() - startedAt) / 60_000
      const left = (minutes / (index + 1)) * (due.length - index - 1)
      console.log(`${rowOf(name)} ${index + 1} of ${due.length} in ${minutes.toFixed(1)} min, ${left.toFixed(1)} left`)
    }
  } finally {
    await tearDown()
  }
  const done = all.map(([name]) => name).filter((name) => existsSync(reportOf(name)))
  const lines = done.flatMap((name) => [rowOf(name), ...survivors(name)])
  console.log(lines.join('\n'))
}

async function change(name: string, { tests, without }: Judges): Promise<boolean> {
  const env = {
    ...process.env,
    MUTATION_SOURCE: sourceOf(name),
    MUTATION_TESTS: tests.join(' '),
    MUTATION_WITHOUT: without?.source ?? '',
    MUTATION_REPORT: reportOf(name),
  }
  const stryker = spawn(process.execPath, [STRYKER, 'run', SETTINGS], { env })
  const output: Buffer[] = []
  stryker.stdout.on('data', (bytes) => {
    output.push(bytes)
    if (bytes.includes('Mutation testing')) process.stdout.write(`${name}: ${bytes}`)
  })
  stryker.stderr.on('data', (bytes) => output.push(bytes))
  const [code] = await once(stryker, 'close')
  if (code !== 0) console.error(`the changes of ${name} could not be run:\n${Buffer.concat(output)}`)
  return code === 0
}

/** Whether the source, or a test that judges it, is newer than its report. */
function isDue(name: string, { tests }: Judges): boolean {
  if (!existsSync(reportOf(name))) return true
  const changedAt = [sourceOf(name), ...tests.map((test) => `test/${test}.test.ts`)].map(
    (path) => statSync(path).mtimeMs,
  )
  return Math.max(...changedAt) > statSync(reportOf(name)).mtimeMs
}

function mutantsOf(name: string): Mutant[] {
  const { files } = JSON.parse(readFileSync(reportOf(name), 'utf8')) as { files: Record<string, { mutants: Mutant[] }> }
  return Object.values(files).flatMap(({ mutants }) => mutants)
}

/** As in the README's table. */
function rowOf(name: string): string {
  const mutants = mutantsOf(name)
  const left = survivorsAmong(mutants).length
  return `| \`${sourceOf(name)}\` | ${mutants.length} | ${mutants.length - left} | ${left} |`
}

function survivors(name: string): string[] {
  return survivorsAmong(mutantsOf(name)).map(({ status, mutatorName, replacement, location: { start } }) => {
    return `  ${sourceOf(name)}:${start.line}:${start.column} ${status} ${mutatorName}: ${replacement}`
  })
}

function survivorsAmong(mutants: readonly Mutant[]): Mutant[] {
  return mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
}

function sourceOf(name: string): string {
  return `lib/${name}.ts`
}

function reportOf(name: string): string {
  return `${REPORTS}/${name.replace('/', '-')}.json`
}

await run(process.argv.slice(2))
