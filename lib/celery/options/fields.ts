import { ByteWriter } from '../../amqp/byte-writer.ts'
import { writeTable } from '../../amqp/field-table.ts'
import { closestName } from '../../closest-name.ts'
import { type ErrorCode, PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { type HeaderTable, headerTable } from '../message/task-headers.ts'
import { CONTROL_CHARACTER, MAX_SHORT_BYTES } from './option-rules.ts'

/** amqplib encodes no larger table. */
const MAX_TABLE_BYTES = 65_536

/** Reads the fields of an object that a caller gave; an error names the field by its whole path. */
export class Fields {
  readonly #place: string
  readonly #values: Readonly<Record<string, unknown>>
  readonly #code: ErrorCode

  /**
   * @param place what the object is called in errors, such as `taskQueues[0]`; empty: nothing.
   * @throws {PooledProducerError} with that code, when it is no object or has a field that is not known.
   */
  constructor(place: string, value: unknown, known: readonly string[], code: ErrorCode = 'ERR_INVALID_OPTION') {
    this.#place = place
    this.#code = code
    if (!isPlainObject(value)) throw this.invalid(`${place} must be an object, got ${describe(value)}`)
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue
      const near = closestName(name, known)
      const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`
      throw this.invalid(`${this.#path(name)} is not known; ${hint}`)
    }
    this.#values = value
  }

  /** The field as it was given; null is as good as absent. */
  get(name: string): unknown {
    return this.#values[name] ?? undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  /** A string that fits an AMQP short string. */
  text(name: string): string | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string' || Buffer.byteLength(value) > MAX_SHORT_BYTES || CONTROL_CHARACTER.test(value)) {
      throw this.refused(name, `a string of ${MAX_SHORT_BYTES} bytes at most without control characters`)
    }
    return value
  }

  /** A string that is not empty, and must be there. */
  name(name: string): string {
    const value = this.text(name)
    if (value === undefined || value === '') throw this.refused(name, 'a name that is not empty')
    return value
  }

  flag(name: string, byDefault: boolean): boolean {
    const value = this.get(name) ?? byDefault
    if (typeof value !== 'boolean') throw this.refused(name, 'true or false')
    return value
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.get(name)
    if (value === undefined || allowed.includes(value as T)) return value as T | undefined
    throw this.refused(name, `one of ${allowed.join(', ')}`)
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw this.refused(name, `an integer from ${min} to ${max}`)
    }
    return value as number
  }

  /** A number of seconds, as the whole milliseconds that AMQP takes, of which there may have to be one. */
  secondsAsMs(name: string, max: number, minMs: 0 | 1 = 0): number | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    const min = minMs / 1_000
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw this.refused(name, `a number of seconds from ${min} to ${max}`)
    }
    return Math.trunc(value * 1_000)
  }

  /** A table of AMQP values. */
  table(name: string): HeaderTable {
    const value = this.get(name)
    if (value === undefined) return NO_VALUES
    let table: HeaderTable
    try {
      table = headerTable(this.#path(name), value)
    } catch (error) {
      throw this.invalid((error as Error).message)
    }
    return this.fitting(name, table)
  }

  /** The table, when it fits a declaration. */
  fitting(name: string, table: HeaderTable): HeaderTable {
    const out = new ByteWriter()
    writeTable(out, table)
    if (out.length <= MAX_TABLE_BYTES) return table
    throw this.invalid(`${this.#path(name)} must have ${MAX_TABLE_BYTES} bytes at most, and has ${out.length}`)
  }

  list(name: string): readonly unknown[] {
    const value = this.get(name) ?? []
    if (!Array.isArray(value)) throw this.refused(name, 'a list')
    return value
  }

  /** What is wrong with a field, for the caller to throw. */
  refused(name: string, expected: string): PooledProducerError {
    return this.invalid(`${this.#path(name)} must be ${expected}, got ${describe(this.get(name))}`)
  }

  #path(name: string): string {
    return this.#place === '' ? name : `${this.#place}.${name}`
  }

  invalid(message: string): PooledProducerError {
    return new PooledProducerError(
      this.#code,
      message,
      this.#code === 'ERR_INVALID_TASK' ? { outcome: 'not-sent' } : {},
    )
  }
}

const NO_VALUES: HeaderTable = Object.freeze({})
