// Makes a fresh checkout, or one that has just been pulled, ready to run: installs what package-lock.json names and
// compiles lib into dist, each only when something changed. Nothing is printed to standard output, which belongs to
// what is run afterwards.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = [20, 19]
const FAILURE = 'Failure'

const root = fileURLToPath(new URL('..', import.meta.url))
const lock = join(root, 'package-lock.json')
const modules = join(root, 'node_modules')
const dist = join(root, 'dist')
// In node_modules, so that the marks go when it goes.
const installMark = join(modules, '.pooled-producer-lock')
const buildMark = join(modules, '.pooled-producer-build')

try {
  requireNode()
  install()
  build()
} catch (error) {
  if (error.name !== FAILURE) throw error
  say(error.message)
  process.exitCode = 1
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  throw failure(
    `pooled-producer needs Node ${OLDEST_NODE.join('.')} or newer, and this is Node ${process.versions.node}`,
  )
}

function install() {
  const wanted = hash(readFileSync(lock))
  if (read(installMark) === wanted) return
  if (!isInstalled()) {
    say('installing dependencies')
    // `npm ci` refuses a lock file without the packages of some other platform, which is what npm writes where the
    // registry does not have them; `npm install` takes the same versions from it.
    const { ok, errors } = npm('ci').ok ? { ok: true } : npm('install', '--no-save')
    if (!ok) throw failure(`npm could not install the dependencies\n${errors}`.trim())
  }
  writeFileSync(installMark, wanted)
}

/** Whether node_modules is what the lock file names, by npm's own record of what it installed. */
function isInstalled() {
  const installed = packages(join(modules, '.package-lock.json'))
  const wanted = packages(lock)
  if (installed === undefined || wanted === undefined) return false
  const isSame = (path) => installed[path]?.version === wanted[path]?.version
  // Optional packages are those of other platforms.
  const isMissing = (path) => path !== '' && !wanted[path].optional && installed[path] === undefined
  return Object.keys(installed).every(isSame) && !Object.keys(wanted).some(isMissing)
}

function packages(file) {
  const text = read(file)
  return text === undefined ? undefined : JSON.parse(text).packages
}

function build() {
  const sources = hash(sourceList())
  if (read(buildMark) === sources && existsSync(join(dist, 'index.js'))) return
  say('compiling lib into dist')
  // Beside dist and in its place only when complete: a failed build leaves the last good one, and no file stays whose
  // source is gone.
  const fresh = join(root, `.dist-${process.pid}`)
  try {
    const compiler = join(modules, 'typescript/bin/tsc')
    const { ok, errors } = run(process.execPath, [compiler, '-p', join(root, 'lib/tsconfig.json'), '--outDir', fresh])
    if (!ok) throw failure(`lib could not be compiled\n${errors}`.trim())
    rmSync(dist, { recursive: true, force: true })
    renameSync(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  writeFileSync(buildMark, sources)
}

/** What the compiler reads, with times and sizes, and the compiler itself by the lock file. */
function sourceList() {
  const configuration = [join(root, 'tsconfig.json'), lock]
  const names = readdirSync(join(root, 'lib'), { recursive: true }).filter((name) => /\.(ts|json)$/.test(name))
  const files = [...configuration, ...names.sort().map((name) => join(root, 'lib', name))]
  return files.map((file) => `${file} ${statSync(file).mtimeMs} ${statSync(file).size}`).join('\n')
}

function npm(command, ...more) {
  // The project's .npmrc asks for JSON, which is not for people to read.
  const args = [command, ...more, '--json=false', '--no-audit', '--no-fund', '--loglevel=error']
  const program = process.env.npm_execpath
  // Started by npm, this is its script; a shell finds npm otherwise, also where it is a batch file.
  if (program?.endsWith('.js')) return run(process.execPath, [program, ...args])
  return run('npm', args, { shell: process.platform === 'win32' })
}

function run(command, args, options = {}) {
  const { status, error, stderr } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 'pipe'],
    encoding: 'utf8',
    ...options,
  })
  return { ok: status === 0, errors: error?.message ?? stderr }
}

/** The content of a file; undefined when there is none. */
function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function hash(content) {
  return createHash('sha256').update(content).digest('hex')
}

function say(line) {
  process.stderr.write(`set-up: ${line}\n`)
}

/** An error whose message says all. */
function failure(message) {
  return Object.assign(new Error(message), { name: FAILURE })
}
