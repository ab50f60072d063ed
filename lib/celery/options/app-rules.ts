import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { type Compressor, compressorFault } from '../message/compressors.ts'
import { definitionFault, type SerializerDefinition } from '../message/value-serializer.ts'
import type { Rule } from './option-rules.ts'

/** The check of one option of an app: gives the value as it is kept; what nobody gave is undefined. */
export type AppRule<T> = (name: string, value: unknown) => T

/** An error that names an option of an app. */
export function invalidOption(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}

/** One of these values; the first is the default. */
export function oneOf<const T extends string | number | boolean>(...values: readonly [T, ...T[]]): AppRule<T> {
  return (name, value = values[0]) => {
    if (values.includes(value as T)) return value as T
    throw invalidOption(`${name} must be ${values.map(describe).join(' or ')}, got ${describe(value)}`)
  }
}

/** As the rule of a task's option says; undefined stays so. */
export function ofTasks<T>(rule: Rule<T>): AppRule<T | undefined> {
  return (name, value) => {
    if (value === undefined || value === null) return undefined
    return asOption(() => rule(name, value))
  }
}

/** What is wrong with a task's option is an error of the app's here. */
export function asOption<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    throw new PooledProducerError('ERR_INVALID_OPTION', (error as Error).message, { cause: error })
  }
}

/** Things of an app's own by name, each without the fault that `faultOf` finds. */
function named<T>(faultOf: (value: unknown) => string | undefined): AppRule<Readonly<Record<string, T>>> {
  return (name, value = {}) => {
    if (!isPlainObject(value)) throw invalidOption(`${name} must be a plain object, got ${describe(value)}`)
    for (const [key, each] of Object.entries(value)) {
      const fault = faultOf(each)
      if (fault !== undefined) throw invalidOption(`${name}.${key} ${fault}, got ${describe(each)}`)
    }
    return Object.freeze({ ...value }) as Readonly<Record<string, T>>
  }
}

export const serializerDefinitions: AppRule<Readonly<Record<string, SerializerDefinition>>> = named(definitionFault)
export const ownCompressors: AppRule<Readonly<Record<string, Compressor>>> = named(compressorFault)
