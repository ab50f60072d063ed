import { PooledProducerError } from '../errors.ts'
import { describe } from '../shown-value.ts'

/** No sane table is deeper, and a circle is deeper than any. */
export const MAX_DEPTH = 50
export const MAX_NAME_BYTES = 255
/** Beyond, amqplib takes a fraction for a whole number, and fails. */
export const MAX_FRACTION: number = 2 ** 50
const MIN_INTEGER = -(2 ** 63)
/** It has no bytes in UTF-8: another character would arrive. */
export const HALF_PAIR: RegExp = /\p{Surrogate}/u

/**
 * Checks that a header table arrives as it is: what amqplib's encoding would drop, empty or replace without a word is
 * refused.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the header by its path.
 */
export function checkHeaders(path: string, headers: object): void {
  checkTable(path, headers, 0)
}

function checkTable(path: string, table: object, depth: number): void {
  // A Map, a Set, a Date and their like show none of what they hold.
  if (Object.prototype.toString.call(table) !== '[object Object]') throw invalid(path, table)
  // Inherited keys count, as they do for the encoder.
  for (const name in table) {
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
      throw refused(`${path} has a name of more than ${MAX_NAME_BYTES} bytes: ${describe(name)}`)
    }
    if (HALF_PAIR.test(name)) throw refused(`${path} has a name with half a pair of surrogates: ${describe(name)}`)
    const value = (table as Record<string, unknown>)[name]
    if (value !== undefined) checkValue(`${path}.${name}`, value, depth + 1)
  }
}

function checkValue(path: string, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'boolean':
      return
    case 'string':
      if (HALF_PAIR.test(value)) throw refused(`${path} holds half a pair of surrogates, got ${describe(value)}`)
      return
    case 'number':
      if (Number.isInteger(value) ? value >= MIN_INTEGER : Math.abs(value) < MAX_FRACTION) return
      throw refused(`${path} must be a whole number from -2^63 or a fraction below 2^50, got ${value}`)
    case 'object':
      if (value === null || Buffer.isBuffer(value)) return
      if (depth > MAX_DEPTH) throw refused(`${path} is nested deeper than ${MAX_DEPTH} levels`)
      if (Array.isArray(value)) return checkList(path, value, depth)
      return Object.hasOwn(value, '!') ? checkTyped(path, value, depth) : checkTable(path, value, depth)
  }
  throw invalid(path, value)
}

function checkList(path: string, list: readonly unknown[], depth: number): void {
  // By index, for the holes: they are undefined, which a list cannot leave out.
  for (let index = 0; index < list.length; index++) checkValue(`${path}[${index}]`, list[index], depth + 1)
}

/** `{ '!': type, value }` says what a number is; whether the type holds it is for the encoder to say. */
function checkTyped(path: string, { value }: { value?: unknown }, depth: number): void {
  if (typeof value !== 'number' && typeof value !== 'bigint') checkValue(`${path}.value`, value, depth + 1)
}

function invalid(path: string, value: unknown): PooledProducerError {
  const expected = 'a string, a number, a boolean, null, a Buffer, or an array or plain object of these'
  return refused(`${path} must be ${expected}, got ${describe(value)}`)
}

function refused(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message, { outcome: 'not-sent' })
}
