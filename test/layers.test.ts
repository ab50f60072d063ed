import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { expect, test } from '@jest/globals'

const LIB = join(import.meta.dirname, '..', 'lib')

/** From the top down; a file imports from its own layer and from those below. */
const LAYERS = ['index', 'cli', 'testing', 'middleware', 'celery', 'pool', 'amqp', 'observe', 'base']
/** Each of these packages is known to one folder only, its types included. */
const HOMES: Record<string, string> = { amqplib: 'amqp', 'generic-pool': 'pool', pino: 'observe' }
const MAX_LINES = 320

// Types count: a file that names another's type is tied to it as well.
const IMPORT = /^\s*(?:import|export)\s[^'"]*?from\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'/gm

interface SourceFile {
  /** Its path in lib, with slashes. */
  readonly name: string
  readonly layer: string
  readonly lines: number
  /** What it imports: files of lib by their path there, packages by their name. */
  readonly imports: readonly string[]
}

function read(name: string): SourceFile {
  const text = readFileSync(join(LIB, name), 'utf8')
  const imports = [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => {
    const path = (from ?? bare ?? dynamic) as string
    return path.startsWith('.') ? posix.join(dirname(name), path) : path
  })
  return { name, layer: layerOf(name), lines: text.trimEnd().split('\n').length, imports }
}

function layerOf(name: string): string {
  if (name === 'index.ts') return 'index'
  return name.includes('/') ? (name.split('/')[0] as string) : 'base'
}

const FILES = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => read(file.split(sep).join('/')))
const BY_NAME = new Map(FILES.map((file) => [file.name, file]))

test('every file has a layer, and every import of a file leads to one', () => {
  const unknown = FILES.filter(({ layer }) => !LAYERS.includes(layer)).map(({ name }) => name)
  const lost = FILES.flatMap(({ name, imports }) => {
    return imports.filter((path) => path.endsWith('.ts') && !BY_NAME.has(path)).map((path) => `${name} -> ${path}`)
  })

  expect(unknown).toEqual([])
  expect(lost).toEqual([])
  // Were the pattern blind, all else here would hold.
  expect(FILES.flatMap(({ imports }) => imports).length).toBeGreaterThan(FILES.length)
})

test('imports run down the layers only', () => {
  const upward = FILES.flatMap(({ name, layer, imports }) => {
    return imports
      .filter((path) => BY_NAME.has(path) && LAYERS.indexOf(layerOf(path)) < LAYERS.indexOf(layer))
      .map((path) => `${name} -> ${path}`)
  })

  expect(upward).toEqual([])
})

test.each(Object.entries(HOMES))('only the files of one folder import %s', (name, home) => {
  const importers = FILES.filter(({ imports }) => imports.some((path) => path === name || path.startsWith(`${name}/`)))

  expect(new Set(importers.map(({ layer }) => layer))).toEqual(new Set([home]))
})

test('what is imported from outside is Node itself or a dependency', () => {
  const manifest = JSON.parse(readFileSync(join(LIB, '..', 'package.json'), 'utf8')) as Record<string, object>
  const known = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  const foreign = FILES.flatMap(({ imports }) => imports).filter((path) => {
    return !path.endsWith('.ts') && !path.startsWith('node:') && !known.includes(path)
  })

  expect(foreign).toEqual([])
})

test('no file imports itself by way of others', () => {
  const cycles: string[] = []
  const done = new Set<string>()
  const walk = (name: string, way: readonly string[]): void => {
    if (way.includes(name)) cycles.push([...way.slice(way.indexOf(name)), name].join(' -> '))
    if (done.has(name)) return
    done.add(name)
    for (const path of BY_NAME.get(name)?.imports ?? []) if (BY_NAME.has(path)) walk(path, [...way, name])
  }
  for (const { name } of FILES) walk(name, [])

  expect(cycles).toEqual([])
})

test(`no file has more than ${MAX_LINES} lines`, () => {
  const swollen = FILES.filter(({ lines }) => lines > MAX_LINES).map(({ name, lines }) => `${name}: ${lines}`)

  expect(swollen).toEqual([])
})
