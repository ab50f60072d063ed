import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { PooledProducerError } from '../errors.ts'
import { findProgram, installedRabbitmq, type RabbitmqInstall } from './rabbitmq-install.ts'

const execute = promisify(execFile)

// What RabbitMQ needs beside what every Debian has; of other libraries, those that this machine lacks are added.
const NEEDED = /^(rabbitmq-server|erlang-[a-z0-9-]+|libsctp1|socat|libwrap0)$/
// Debian's start scripts have the folder of Erlang written into them, and no variable changes it.
const ERLANG = '/usr/lib/erlang'
const ONLY_DEPENDS = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
  (kind) => `--no-${kind}`,
)

/** Runs a tool and gives the lines of its output. */
type Run = (tool: string, ...args: string[]) => Promise<string[]>

/**
 * The RabbitMQ to start private nodes of: installed, fetched before, or fetched now by apt.
 *
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE there is none, and this is no machine with apt or apt failed.
 */
export async function obtainRabbitmq(onProgress: (line: string) => void = toStandardError): Promise<RabbitmqInstall> {
  return installedRabbitmq() ?? fetchedRabbitmq() ?? (await downloadRabbitmq(onProgress))
}

/** Whether this machine has Debian's tools to fetch packages with. */
export function canDownloadRabbitmq(): boolean {
  const tools = ['apt-get', 'apt-cache', 'dpkg', 'dpkg-deb']
  return process.platform === 'linux' && tools.every((tool) => findProgram(tool) !== undefined)
}

/** The RabbitMQ in the user's cache folder, if it was fetched before. */
export function fetchedRabbitmq(): RabbitmqInstall | undefined {
  return rabbitmqIn(cacheFolder())
}

function rabbitmqIn(root: string): RabbitmqInstall | undefined {
  const versions = join(root, 'usr/lib/rabbitmq/lib')
  if (!existsSync(versions)) return undefined
  const version = readdirSync(versions).find((name) => name.startsWith('rabbitmq_server-'))
  if (version === undefined) return undefined
  const path = ['usr/lib/erlang/bin', 'usr/bin'].map((folder) => join(root, folder))
  return {
    sbin: join(versions, version, 'sbin'),
    env: {
      PATH: [...path, process.env.PATH ?? '/usr/bin:/bin'].join(delimiter),
      LD_LIBRARY_PATH: libraryFolders(root).join(delimiter),
    },
  }
}

/**
 * Fetches RabbitMQ and its Erlang from the machine's own package sources into the user's cache folder: no root, and
 * nothing is installed. About 34 MB to fetch and 60 MB to keep; apt checks the signatures.
 *
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE
 */
export async function downloadRabbitmq(onProgress: (line: string) => void = toStandardError): Promise<RabbitmqInstall> {
  if (!canDownloadRabbitmq())
    throw unavailable('no RabbitMQ is installed, and this machine has no apt to fetch it with')
  const root = cacheFolder()
  const startedAt = Date.now()
  onProgress(`fetching RabbitMQ with apt into ${root} (once, about 34 MB, no root needed)`)
  mkdirSync(join(root, '..'), { recursive: true })
  // Two processes may fetch at once: each works in a folder of its own, and the first to finish wins.
  const work = mkdtempSync(`${root}.partial-`)
  try {
    const tree = join(work, 'root')
    await fetchInto(work, tree, root, onProgress)
    if (rabbitmqIn(tree) === undefined) throw new Error('there is no RabbitMQ in the packages')
    // Anything else in its place is the rest of something that went wrong.
    if (fetchedRabbitmq() === undefined) rmSync(root, { recursive: true, force: true })
    if (fetchedRabbitmq() === undefined) renameSync(tree, root)
  } catch (error) {
    throw unavailable(`RabbitMQ could not be fetched: ${reasonOf(error)}`, error)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  onProgress(`fetched RabbitMQ in ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`)
  return fetchedRabbitmq() as RabbitmqInstall
}

/** Unpacks into `tree` what is to be used at `root`. */
async function fetchInto(work: string, tree: string, root: string, onProgress: (line: string) => void): Promise<void> {
  const [state, cache, debs] = [join(work, 'state'), join(work, 'cache'), join(work, 'debs')]
  for (const folder of [join(state, 'lists/partial'), join(cache, 'archives/partial'), debs, tree]) {
    mkdirSync(folder, { recursive: true })
  }
  const settings = [
    `Dir::State=${state}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${cache}`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=',
    'Acquire::http::Timeout=10',
    'Acquire::Retries=2',
  ].flatMap((setting) => ['-o', setting])
  const run: Run = async (tool, ...args) => {
    const options = { cwd: debs, env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 2 ** 26 }
    const { stdout } = await execute(tool, [...(tool.startsWith('apt') ? settings : []), ...args], options)
    return stdout.split('\n')
  }

  onProgress('reading package lists')
  await run('apt-get', '-qq', 'update')
  const depended = await run('apt-cache', 'depends', '--recurse', ...ONLY_DEPENDS, 'rabbitmq-server')
  const packages = new Set(depended.filter((name) => NEEDED.test(name)))
  for (const name of await missingLibraries(run)) packages.add(name)

  onProgress(`downloading ${packages.size} packages`)
  await run('apt-get', '-qq', 'download', ...packages)
  onProgress('unpacking')
  for (const deb of readdirSync(debs)) await run('dpkg-deb', '-x', deb, tree)
  pointErlangTo(tree, join(root, ERLANG))
}

/** The libraries that apt would install with RabbitMQ on this very machine. */
async function missingLibraries(run: Run): Promise<string[]> {
  const install = ['--simulate', 'install', '--no-install-recommends', 'rabbitmq-server']
  // Where apt cannot plan an installation, because of a broken package say, the libraries may be there all the same.
  const plan = await run('apt-get', '-qq', ...install).catch(() => [])
  return plan.flatMap((line) => /^Inst (lib[^ ]+)/.exec(line)?.[1] ?? [])
}

function pointErlangTo(tree: string, erlang: string): void {
  const home = join(tree, ERLANG)
  const runtime = readdirSync(home).filter((name) => name.startsWith('erts-'))
  for (const folder of ['bin', ...runtime.map((name) => join(name, 'bin'))]) {
    for (const script of ['erl', 'start', 'start_erl']) {
      const file = join(home, folder, script)
      if (!existsSync(file)) continue
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`ROOTDIR=${ERLANG}`, `ROOTDIR=${erlang}`))
    }
  }
}

/** The folders with shared libraries: `lib` and `usr/lib`, each with its folder per machine type. */
function libraryFolders(root: string): string[] {
  return ['usr/lib', 'lib'].flatMap((name) => {
    const folder = join(root, name)
    if (!existsSync(folder)) return []
    return readdirSync(folder)
      .filter((entry) => entry.includes('-linux-'))
      .map((entry) => join(folder, entry))
  })
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pooled-producer', 'rabbitmq')
}

function reasonOf(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string }
  return stderr?.trim() || message
}

function toStandardError(line: string): void {
  process.stderr.write(`${line}\n`)
}

function unavailable(message: string, cause?: unknown): PooledProducerError {
  return new PooledProducerError('ERR_BROKER_UNAVAILABLE', message, { cause })
}
