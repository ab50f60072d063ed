import { createRequire } from 'node:module'
import { closestName } from '../../closest-name.ts'
import { PooledProducerError } from '../../errors.ts'
import { encodeArguments, encodeEmbed } from './arguments.ts'
import { checkArguments } from './body-parts.ts'
import { isBinary, isDate, isTyped, typedJson } from './json-types.ts'
import type { Serializer, TaskTable } from './serializer.ts'
import { type SerializerDefinition, valueSerializer } from './value-serializer.ts'
import { yamlText } from './yaml-text.ts'

const JSON_TYPE = { contentType: 'application/json', contentEncoding: 'utf-8' } as const

/** Celery's default: what JSON would change or drop without a word is refused. */
export const JSON_SERIALIZER: Serializer = Object.freeze({
  name: 'json',
  ...JSON_TYPE,
  prepare: encodeEmbed,
  encode: encodeArguments,
  encodeTable: (table: TaskTable) => {
    checkArguments(table.args, table.kwargs)
    return JSON.stringify(table)
  },
})

const NUMBERS_WITHOUT_JSON = (value: unknown): boolean => typeof value === 'number' && !Number.isFinite(value)

/** Makes a serializer that not every app needs. */
const MAKERS: Readonly<Record<string, () => Serializer>> = {
  yaml: () => {
    const carries = (value: unknown) => isBinary(value) || isDate(value) || NUMBERS_WITHOUT_JSON(value)
    return valueSerializer(
      'yaml',
      { contentType: 'application/x-yaml', contentEncoding: 'utf-8', encode: yamlText },
      carries,
    )
  },
  msgpack: () => {
    const carries = (value: unknown) => isBinary(value) || NUMBERS_WITHOUT_JSON(value)
    return valueSerializer(
      'msgpack',
      { contentType: 'application/x-msgpack', contentEncoding: 'binary', encode: msgpackEncoder() },
      carries,
    )
  },
}

const PICKLE =
  'pickle is not offered: whoever reads it runs the code of whoever wrote it; use json, yaml or msgpack, ' +
  'or a serializer of your own'

/** The serializers of an app, by Celery's names. */
export class Serializers {
  readonly #known = new Map<string, Serializer>()

  /**
   * @param definitions the app's own, by name.
   * @param hasJsonTypes whether json carries Dates and binary data, in kombu's typed envelopes.
   */
  constructor(definitions: Readonly<Record<string, SerializerDefinition>> = {}, hasJsonTypes = false) {
    this.#known.set('json', hasJsonTypes ? typedJsonSerializer() : JSON_SERIALIZER)
    for (const [name, { contentType, contentEncoding = 'utf-8', encode }] of Object.entries(definitions)) {
      this.#known.set(name, valueSerializer(name, { contentType, contentEncoding, encode }, 'anything'))
    }
  }

  /**
   * The serializer of this name.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names those that there are, or the package that is missing.
   */
  get(name: string): Serializer {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    if (name === 'pickle') throw invalid(PICKLE)
    const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined
    if (make === undefined) throw this.#unknown(name)
    const serializer = make()
    this.#known.set(name, serializer)
    return serializer
  }

  #unknown(name: string): PooledProducerError {
    const names = [...new Set([...this.#known.keys(), ...Object.keys(MAKERS)])]
    const near = closestName(name, names)
    const hint = near === undefined ? `known are ${names.join(', ')}` : `did you mean ${near}?`
    return invalid(`${name} is not a serializer; ${hint}`)
  }
}

function typedJsonSerializer(): Serializer {
  return valueSerializer('json', { ...JSON_TYPE, encode: typedJson }, isTyped)
}

function msgpackEncoder(): (value: unknown) => Uint8Array {
  const { Encoder } = optionalPackage('@msgpack/msgpack', 'the serializer msgpack') as {
    Encoder: new (options: { maxDepth: number }) => { encode(value: unknown): Uint8Array }
  }
  // As deep as arguments may be, which are in the body's list.
  const encoder = new Encoder({ maxDepth: 510 })
  return (value) => {
    checkStrings(value)
    return encoder.encode(value)
  }
}

/** Python refuses UTF-8 with half a pair of surrogates in it: the worker would drop the message. */
function checkStrings(value: unknown): void {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw invalid('a string of the arguments holds half a pair of surrogates, which msgpack cannot carry')
  }
  if (typeof value !== 'object' || value === null || isBinary(value)) return
  for (const [key, each] of Object.entries(value)) {
    checkStrings(key)
    checkStrings(each)
  }
}

function optionalPackage(name: string, user: string): unknown {
  try {
    return createRequire(import.meta.url)(name)
  } catch (cause) {
    const text = `${user} needs the package ${name}, which is not installed: npm install ${name}`
    throw new PooledProducerError('ERR_INVALID_TASK', text, { cause, outcome: 'not-sent' })
  }
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent' })
}
