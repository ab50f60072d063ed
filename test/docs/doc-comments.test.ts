import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'

const ROOT = join(import.meta.dirname, '..', '..')
const CONFIGURATION = join(ROOT, 'docs/api/typedoc.json')

/** The sources of the package's doors. */
const DOORS = Object.values(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).exports)
  .map((door) => (door as { default?: string }).default)
  .filter((file) => file !== undefined)
  .map((file) => join(ROOT, file.replace('./dist/', 'lib/').replace('.js', '.ts')))

interface Export {
  readonly name: string
  /** Where it is declared. */
  readonly file: string
}

/** The names that a door gives, wherever they are declared. */
function exportsOf(file: string): Export[] {
  const source = readFileSync(file, 'utf8')
  const lists = [...source.matchAll(/^export (?:type )?\{([^}]+)\}(?: from '(.+)')?$/gm)]
  const passedOn = lists.flatMap(([, names, from]) =>
    namesIn(names as string).map((name) => ({
      name,
      file: from === undefined ? importOf(source, name, file) : beside(file, from),
    })),
  )
  const declared = [...source.matchAll(/^export (?:async |abstract )?(?:function|class|interface|type|const) (\w+)/gm)]
  return [...passedOn, ...declared.map(([, name]) => ({ name: name as string, file }))]
}

function namesIn(list: string): string[] {
  return list.split(',').flatMap((part) => /(?:type )?(\w+)\s*$/.exec(part.trim())?.[1] ?? [])
}

function importOf(source: string, name: string, file: string): string {
  const imports = [...source.matchAll(/^import (?:type )?\{([^}]+)\} from '(.+)'$/gm)]
  const [, , from] = imports.find(([, names]) => namesIn(names as string).includes(name)) ?? []
  if (from === undefined) throw new Error(`${file} gives ${name} and does not import it`)
  return beside(file, from)
}

function beside(file: string, path: string): string {
  return join(dirname(file), path)
}

/** Whether a doc comment stands before its declaration. */
function isExplained({ name, file }: Export): boolean {
  const declaration = `export (?:async |abstract )?(?:function|class|interface|type|const) ${name}\\b`
  // A comment for the linter may stand between them.
  return new RegExp(`\\*/\\n(?://.+\\n)?${declaration}`).test(readFileSync(file, 'utf8'))
}

test.each(DOORS.map((file) => ({ door: file.slice(ROOT.length + 1), file })))(
  'every name that $door gives has a doc comment',
  ({ file }) => {
    const names = exportsOf(file)

    expect(names.length).toBeGreaterThan(0)
    expect(names.filter((each) => !isExplained(each)).map(({ name }) => name)).toEqual([])
  },
)

test('the API reference is made of all doors of the package', () => {
  const { entryPoints } = JSON.parse(readFileSync(CONFIGURATION, 'utf8'))

  expect(entryPoints.map((path: string) => join(dirname(CONFIGURATION), path)).sort()).toEqual([...DOORS].sort())
})
