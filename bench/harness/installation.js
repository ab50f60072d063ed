import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const BENCH = fileURLToPath(new URL('..', import.meta.url))
const LOCK = fileURLToPath(new URL('../package-lock.json', import.meta.url))
/** npm writes this one last, so it stands for a complete installation. */
const INSTALLED = fileURLToPath(new URL('../node_modules/.package-lock.json', import.meta.url))

/** Installs the rivals into bench/node_modules when they are missing or older than the lock file. */
export async function ensureInstalled() {
  if (existsSync(INSTALLED) && statSync(INSTALLED).mtimeMs >= statSync(LOCK).mtimeMs) return
  process.stderr.write('bench: installing the rivals into bench/node_modules, about 15 s\n')
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = spawn('npm', args, { cwd: BENCH, stdio: ['ignore', process.stderr, process.stderr] })
  const code = await new Promise((resolve, reject) => {
    npm.on('error', reject)
    npm.on('close', resolve)
  })
  if (code !== 0) throw new Error(`npm ci in bench/ ended with ${code}`)
}
