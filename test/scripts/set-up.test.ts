import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

// A checkout of another package, with npm and the compiler played by scripts that write down how they were called.
let root: string
const SCRIPT = join(import.meta.dirname, '../../scripts/set-up.js')

const NPM = `
import { appendFileSync, cpSync, existsSync, mkdirSync } from 'node:fs'
const [command] = process.argv.slice(2)
appendFileSync('calls', \`npm \${command}\\n\`)
console.log('npm talks')
if (existsSync(\`refuse-\${command}\`)) {
  console.error(\`npm error \${command}\`)
  process.exit(1)
}
mkdirSync('node_modules', { recursive: true })
cpSync('parts', 'node_modules', { recursive: true })
cpSync('package-lock.json', 'node_modules/.package-lock.json')
`
const COMPILER = `
import { appendFileSync, cpSync, readdirSync, readFileSync } from 'node:fs'
appendFileSync('calls', 'tsc\\n')
console.log('tsc talks')
const out = process.argv[process.argv.indexOf('--outDir') + 1]
for (const name of readdirSync('lib')) cpSync(\`lib/\${name}\`, \`\${out}/\${name.replace('.ts', '.js')}\`)
process.exit(readFileSync('lib/index.ts', 'utf8') === 'broken' ? 1 : 0)
`

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'set-up-test-'))
  cpSync(SCRIPT, file('scripts/set-up.js'))
  write('package.json', '{ "type": "module" }')
  write('npm.js', NPM)
  write('parts/typescript/bin/tsc', COMPILER)
  write('parts/typescript/package.json', '{ "type": "module" }')
  write('tsconfig.json', '{}')
  write('lib/tsconfig.json', '{}')
  write('lib/index.ts', 'one')
  lock('1.0.0')
})

afterEach(() => {
  rmSync(root, { recursive: true })
})

function file(name: string): string {
  return join(root, name)
}

function write(name: string, text: string): void {
  mkdirSync(dirname(file(name)), { recursive: true })
  writeFileSync(file(name), text)
}

function lock(version: string): void {
  const packages = { '': {}, 'node_modules/a': { version }, 'node_modules/other-platform': { version, optional: true } }
  write('package-lock.json', JSON.stringify({ packages }))
}

/** Runs the set-up; what it called since the last run, and what it printed. */
function setUp(...nodeArgs: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeArgs, file('scripts/set-up.js')], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', npm_execpath: file('npm.js') },
  })
  const calls = existsSync(file('calls')) ? readFileSync(file('calls'), 'utf8').trim().split('\n') : []
  rmSync(file('calls'), { force: true })
  return { status, stdout, stderr, calls }
}

test('a fresh checkout is installed and compiled, and standard output stays empty', () => {
  const { status, stdout, calls } = setUp()

  expect({ status, stdout, calls }).toEqual({ status: 0, stdout: '', calls: ['npm ci', 'tsc'] })
  expect(readFileSync(file('dist/index.js'), 'utf8')).toBe('one')
})

test('a second run finds nothing to do and prints nothing', () => {
  setUp()

  expect(setUp()).toEqual({ status: 0, stdout: '', stderr: '', calls: [] })
})

test('another lock file is installed', () => {
  setUp()
  lock('2.0.0')

  expect(setUp().calls).toEqual(['npm ci', 'tsc'])
})

test('what npm was asked to install by hand is not installed again', () => {
  cpSync(file('parts'), file('node_modules'), { recursive: true })
  cpSync(file('package-lock.json'), file('node_modules/.package-lock.json'))

  expect(setUp().calls).toEqual(['tsc'])
})

test('a lock file that npm ci refuses is installed by npm install', () => {
  write('refuse-ci', '')
  const { status, stderr, calls } = setUp()

  expect({ status, calls }).toEqual({ status: 0, calls: ['npm ci', 'npm install', 'tsc'] })
  expect(stderr).not.toContain('npm error')
})

test("a failed installation is told with npm's own words", () => {
  write('refuse-ci', '')
  write('refuse-install', '')
  const { status, stdout, stderr, calls } = setUp()

  expect({ status, stdout, calls }).toEqual({ status: 1, stdout: '', calls: ['npm ci', 'npm install'] })
  expect(stderr).toMatch(/npm could not install the dependencies\nnpm error install/)
})

test('a changed, a new and a removed source are compiled', () => {
  setUp()
  utimesSync(file('lib/index.ts'), 1, 1)
  expect(setUp().calls).toEqual(['tsc'])
  write('lib/deep.ts', 'deep')
  expect(setUp().calls).toEqual(['tsc'])
  expect(existsSync(file('dist/deep.js'))).toBe(true)
  rmSync(file('lib/deep.ts'))
  expect(setUp().calls).toEqual(['tsc'])
  expect(existsSync(file('dist/deep.js'))).toBe(false)
})

test('a failed compilation leaves the last good one, and is tried again', () => {
  setUp()
  write('lib/index.ts', 'broken')
  const { status, stdout, stderr } = setUp()

  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toContain('lib could not be compiled')
  expect(readFileSync(file('dist/index.js'), 'utf8')).toBe('one')
  expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([])
  expect(setUp().calls).toEqual(['tsc'])
})

test('a Node that is too old is told so', () => {
  const older = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.18.3' })`
  const { status, stdout, stderr, calls } = setUp('--import', older)

  expect({ status, stdout, calls }).toEqual({ status: 1, stdout: '', calls: [] })
  expect(stderr).toBe('set-up: pooled-producer needs Node 20.19 or newer, and this is Node 20.18.3\n')
})
