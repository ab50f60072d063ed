import type { DescribedTask, Parameter, Shape } from './python-tasks.ts'

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u
// Whatever a reader could not see, or that ends a line.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const WIDTH = 120
/** Words of TypeScript that are names in Python. */
const RESERVED = new Set(
  (
    'abstract asserts case catch const debugger default delete do enum export extends false function implements infer ' +
    'instanceof interface keyof let new null package private protected public readonly static super switch this throw ' +
    'true typeof unique var void'
  ).split(' '),
)

/** A TypeScript file with the type `Tasks`, for `createCelery<Tasks>()`. */
export function typesText(tasks: readonly (DescribedTask | string)[], source: string): string {
  const entries = tasks.map((task) => (typeof task === 'string' ? unknownTask(task) : knownTask(task)))
  const head = `// Made by pooled-producer types from ${plain(source)}; what is changed here is lost when it is made again.`
  return `${head}\n\n/** The tasks, for \`createCelery<Tasks>()\`. */\nexport interface Tasks {\n${entries.join('')}}\n`
}

/** A worker tells names and no more. */
function unknownTask(name: string): string {
  return `  ${quoted(name)}: { args: unknown[]; kwargs?: Record<string, unknown> }\n`
}

function knownTask({ name, parameters, result, about }: DescribedTask): string {
  const positional = parameters.filter(({ kind }) => kind.startsWith('POSITIONAL')).map(tupleItem)
  const rest = parameters.find(({ kind }) => kind === 'VAR_POSITIONAL')
  if (rest !== undefined) positional.push(`...${label(rest.name)}: ${arrayOf(rest.type)}`)
  const kwargs = keywordType(parameters)
  const fields = [
    `args: [${positional.join(', ')}]`,
    ...(kwargs === undefined ? [] : [kwargs]),
    `result: ${typeText(result)}`,
  ]
  const comment = about === '' ? '' : `  /** ${plain(about).replaceAll('*/', '* /')} */\n`
  const line = `  ${quoted(name)}: { ${fields.join('; ')} }\n`
  if (line.length <= WIDTH) return comment + line
  // As a formatter breaks it.
  const args = `    args: [${positional.join(', ')}]`
  if (args.length > WIDTH) fields[0] = `args: [\n${positional.map((item) => `      ${item},\n`).join('')}    ]`
  return `${comment}  ${quoted(name)}: {\n${fields.map((field) => `    ${field}\n`).join('')}  }\n`
}

function tupleItem({ name, type, isOptional }: Parameter): string {
  return `${label(name)}${isOptional ? '?' : ''}: ${typeText(type)}`
}

/** A name that TypeScript takes before a type in a tuple: Python's, but for words that begin a type or a statement. */
function label(name: string): string {
  return RESERVED.has(name) ? `${name}_` : name
}

/** The keyword arguments; undefined: there are none. Those that go by place may go by name too, but are said once. */
function keywordType(parameters: readonly Parameter[]): string | undefined {
  const named = parameters.filter(({ kind }) => kind === 'KEYWORD_ONLY')
  const others = parameters.find(({ kind }) => kind === 'VAR_KEYWORD')
  if (named.length === 0) return others && `kwargs?: Record<string, ${typeText(others.type)}>`
  const fields = named.map(({ name, type, isOptional }) => `${key(name)}${isOptional ? '?' : ''}: ${typeText(type)}`)
  const mark = named.every(({ isOptional }) => isOptional) ? '?' : ''
  // The type of the others would have to hold for those that are named.
  if (others !== undefined) fields.push('[name: string]: unknown')
  return `kwargs${mark}: { ${fields.join('; ')} }`
}

/** A shape as TypeScript writes it. */
function typeText(shape: Shape): string {
  if (typeof shape === 'string') return shape
  if ('list' in shape) return arrayOf(shape.list)
  if ('dict' in shape) return `Record<string, ${typeText(shape.dict)}>`
  if ('tuple' in shape) return `[${shape.tuple.map(typeText).join(', ')}]`
  if ('literal' in shape)
    return unionOf(shape.literal.map((value) => (typeof value === 'string' ? quoted(value) : `${value}`)))
  if ('union' in shape) return unionOf(shape.union.map(typeText))
  const fields = shape.object.map(
    ({ name, type, isOptional }) => `${key(name)}${isOptional ? '?' : ''}: ${typeText(type)}`,
  )
  return fields.length === 0 ? 'Record<string, never>' : `{ ${fields.join('; ')} }`
}

function arrayOf(shape: Shape): string {
  const text = typeText(shape)
  return /^[\w$]+$/.test(text) ? `${text}[]` : `Array<${text}>`
}

function unionOf(members: readonly string[]): string {
  const distinct = [...new Set(members)]
  if (distinct.length === 0) return 'never'
  return distinct.includes('unknown') ? 'unknown' : distinct.join(' | ')
}

function key(name: string): string {
  return IDENTIFIER.test(name) ? name : quoted(name)
}

/** A string of TypeScript, whatever a worker or a module calls its tasks. */
function quoted(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${escaped.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)}'`
}

function plain(text: string): string {
  return text.replace(UNPRINTABLE, ' ')
}
