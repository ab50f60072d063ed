import { HALF_PAIR, MAX_DEPTH, MAX_FRACTION, MAX_NAME_BYTES } from '../../amqp/header-rules.ts'
import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'

/** A value that an AMQP header table holds. */
export type HeaderValue = string | number | boolean | null | readonly HeaderValue[] | HeaderTable

/** Headers by name. */
export interface HeaderTable {
  readonly [name: string]: HeaderValue
}

/**
 * The headers of a protocol v2 message, in Celery's order, and the one that a compressed body adds. Other
 * names are the caller's; Celery lets a caller overwrite these too, which breaks the task.
 */
export const PROTOCOL_HEADERS = [
  'lang',
  'task',
  'id',
  'shadow',
  'eta',
  'expires',
  'group',
  'group_index',
  'retries',
  'timelimit',
  'root_id',
  'parent_id',
  'argsrepr',
  'kwargsrepr',
  'origin',
  'ignore_result',
  'replaced_task_nesting',
  'stamped_headers',
  'stamps',
  'compression',
] as const

const RESERVED = new Set<string>([...PROTOCOL_HEADERS, '__proto__'])
/** Below, amqplib writes 64 bits with a sign, and py-amqp reads them without. */
const MIN_INTEGER = -(2 ** 31)

/**
 * A frozen copy of a caller's headers.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the header, and says what AMQP or Celery has against it.
 */
export function userHeaders(headers: unknown): HeaderTable {
  const names = isPlainObject(headers) ? Object.keys(headers) : []
  for (const name of names) {
    // A worker makes every header an attribute of the task's request, whose own begin so.
    if (name.startsWith('_') && name !== '__proto__')
      throw invalid(`headers.${name}`, 'begins with _, and would harm the worker')
    if (RESERVED.has(name)) throw invalid(`headers.${name}`, "is one of Celery's own headers and cannot be set")
  }
  return headerTable('headers', headers)
}

/**
 * A frozen copy of a table of AMQP values.
 *
 * @param path what the table is called in errors.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the value by its path, and says what AMQP has against it.
 */
export function headerTable(path: string, table: unknown): HeaderTable {
  if (!isPlainObject(table)) throw invalid(path, `must be a plain object, got ${describe(table)}`)
  return tableCopy(path, table, 0)
}

function valueCopy(path: string, value: unknown, depth: number): HeaderValue {
  switch (typeof value) {
    case 'string':
      if (HALF_PAIR.test(value)) throw invalid(path, `holds half a pair of surrogates, got ${describe(value)}`)
      return value
    case 'boolean':
      return value
    case 'number':
      if (Number.isInteger(value) ? isReadByPython(value) : Math.abs(value) < MAX_FRACTION) return value
      throw invalid(path, `must be a whole number from -2^31 to 2^53 or a fraction below 2^50, got ${value}`)
    case 'object':
      if (value === null) return null
      if (depth === MAX_DEPTH) throw invalid(path, `is nested deeper than ${MAX_DEPTH} levels`)
      if (Array.isArray(value)) return listCopy(path, value, depth)
      if (isPlainObject(value)) return tableCopy(path, value, depth)
  }
  throw invalid(
    path,
    `must be a string, a number, a boolean, null, or an array or plain object of these, got ${describe(value)}`,
  )
}

function isReadByPython(value: number): boolean {
  return value >= MIN_INTEGER && value <= Number.MAX_SAFE_INTEGER
}

function listCopy(path: string, list: readonly unknown[], depth: number): HeaderValue {
  // Array.from also visits holes, which are undefined and refused.
  return Object.freeze(Array.from(list, (item, index) => valueCopy(`${path}[${index}]`, item, depth + 1)))
}

function tableCopy(path: string, table: Record<string, unknown>, depth: number): HeaderTable {
  const copy: Record<string, HeaderValue> = {}
  for (const [name, value] of Object.entries(table)) {
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
      throw invalid(path, `has a name of more than ${MAX_NAME_BYTES} bytes: ${describe(name)}`)
    }
    if (HALF_PAIR.test(name)) throw invalid(path, `has a name with half a pair of surrogates: ${describe(name)}`)
    // To amqplib, `{ '!': type, value }` is no table but one value of that type.
    if (name === '!' || name === '__proto__') throw invalid(path, `cannot hold the name ${name}`)
    copy[name] = valueCopy(`${path}.${name}`, value, depth + 1)
  }
  return Object.freeze(copy)
}

function invalid(path: string, fault: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', `${path} ${fault}`, { outcome: 'not-sent' })
}
