import { execFile } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const execute = promisify(execFile)
const ROOT = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

const MIB = 2 ** 20

interface PackedFile {
  readonly path: string
  readonly size: number
}

/** What `npm pack` would put into the package; without its scripts, which build anew. */
async function packed(): Promise<PackedFile[]> {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const { stdout } = await execute('npm', args, { cwd: ROOT, maxBuffer: 64 * MIB })
  const report = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))
  const [{ files }] = Array.isArray(report) ? report : (Object.values(report) as [{ files: PackedFile[] }])
  return files
}

/** The size of an installed package and of all that it depends on, each counted once. */
function installedBytes(name: string, seen = new Set<string>()): number {
  if (seen.has(name)) return 0
  seen.add(name)
  const folder = join(ROOT, 'node_modules', name)
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const own = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => lstatSync(join(folder, file)))
    .filter((stat) => stat.isFile())
    .reduce((sum, { size }) => sum + size, 0)
  return Object.keys(dependencies).reduce((sum, dependency) => sum + installedBytes(dependency, seen), own)
}

test('the package has three dependencies, and everything else is for those who use it', () => {
  expect(Object.keys(manifest.dependencies).sort()).toEqual(['amqplib', 'generic-pool', 'pino'])
  const required = Object.keys(manifest.peerDependencies).filter(
    (name) => !manifest.peerDependenciesMeta[name]?.optional,
  )
  expect(required).toEqual([])
})

test('the package holds what a user needs, and nothing of its making', async () => {
  const files = await packed()

  const foreign = files.filter(({ path }) => {
    return (
      !/^dist\/.*\.(?:js|d\.ts|js\.map)$/.test(path) &&
      !/^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(path)
    )
  })
  expect(foreign.map(({ path }) => path)).toEqual([])
  for (const entry of Object.values<string | { types: string; default: string }>(manifest.exports)) {
    const paths = typeof entry === 'string' ? [entry] : [entry.types, entry.default]
    for (const path of paths) expect(files.map((file) => `./${file.path}`)).toContain(path)
  }
  expect(files.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(2.5 * MIB)
})

test('installed with its dependencies it takes less than 5.5 MiB', () => {
  const bytes = Object.keys(manifest.dependencies).reduce((sum, name) => sum + installedBytes(name), 0)

  expect(bytes).toBeLessThan(5.5 * MIB)
})

test('a cold import takes no longer than a person notices, and loads no optional peer', async () => {
  const loader = `
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context)
      console.log(found.url)
      return found
    }`
  const source = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(loader)}))
    const begun = performance.now()
    await import('pooled-producer')
    console.log('ms ' + Math.round(performance.now() - begun))
  `
  const { stdout } = await execute(process.execPath, ['--input-type=module', '-e', source], { cwd: ROOT })

  const lines = stdout.trim().split('\n')
  const packages = new Set(lines.flatMap((line) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(line)?.[1] ?? []))
  const peers = Object.keys(manifest.peerDependencies)
  expect(peers.filter((name) => packages.has(name))).toEqual([])
  expect(lines.filter((line) => /\/dist\/(?:cli|testing)\//.test(line))).toEqual([])
  // About 0.1 s on a quiet machine; this is a bound for a busy one.
  const tookMs = Number(/^ms (\d+)$/m.exec(stdout)?.[1])
  expect(tookMs).toBeLessThan(3_000)
})
