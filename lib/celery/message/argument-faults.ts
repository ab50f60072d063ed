import { types } from 'node:util'
import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { isRounded, MAX_DEPTH } from './json-value.ts'

/**
 * Looks through a value for the first thing that JSON would change or drop without a word; comes back when
 * there is none.
 *
 * @param carries what is taken all the same.
 * @throws {PooledProducerError} ERR_INVALID_TASK says what stands where, as a path that begins with `name`.
 */
export function findFault(value: unknown, name: string, carries?: (value: unknown) => boolean): void {
  new FaultSearch(name, carries).visit(value)
}

/** An error that names a fault of a task's arguments. */
export function invalidArguments(message: string, cause?: unknown): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_TASK', message, { outcome: 'not-sent', cause })
}

/** Walks a value along its path until something stands there that JSON would change. */
class FaultSearch {
  readonly #path: (string | number)[]
  /** The containers from the root to the present one. */
  readonly #holders: object[] = []
  readonly #carries: ((value: unknown) => boolean) | undefined

  constructor(root: string, carries: ((value: unknown) => boolean) | undefined) {
    this.#path = [root]
    this.#carries = carries
  }

  visit(value: unknown): void {
    if (this.#carries?.(value)) return
    const fault = this.#look(() => faultOf(value))
    if (fault !== undefined) throw invalidArguments(`${pathText(this.#path)} is ${fault}`)
    if (typeof value !== 'object' || value === null) return

    const holder = this.#holders.indexOf(value)
    if (holder >= 0) {
      const first = pathText(this.#path.slice(0, holder + 1))
      throw invalidArguments(`${pathText(this.#path)} is circular: it is ${first} again`)
    }
    if (this.#holders.length === MAX_DEPTH) {
      throw invalidArguments(`${pathText(this.#path.slice(0, 4))}... is nested deeper than ${MAX_DEPTH} levels`)
    }
    this.#holders.push(value)
    if (Array.isArray(value)) this.#visitList(value)
    else this.#visitDict(value as Record<string, unknown>)
    this.#holders.pop()
  }

  #visitList(list: readonly unknown[]): void {
    const length = this.#look(() => list.length)
    for (let i = 0; i < length; i++) {
      this.#path.push(i)
      const item = this.#look(() => list[i])
      if (item === undefined) {
        const what = i in list ? 'undefined' : 'a hole in the array'
        throw invalidArguments(`${pathText(this.#path)} is ${what}, which JSON would turn into null`)
      }
      this.visit(item)
      this.#path.pop()
    }
  }

  #visitDict(dict: Record<string, unknown>): void {
    for (const key of this.#look(() => Reflect.ownKeys(dict))) {
      if (!this.#look(() => Object.prototype.propertyIsEnumerable.call(dict, key))) continue
      if (typeof key === 'symbol') {
        throw invalidArguments(`${pathText(this.#path)} has a symbol as a key, which JSON would leave out`)
      }
      this.#path.push(key)
      this.visit(this.#look(() => dict[key]))
      this.#path.pop()
    }
  }

  /** Runs what may be a caller's getter or proxy. */
  #look<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw invalidArguments(`${pathText(this.#path)} cannot be read`, cause)
    }
  }
}

/** What is wrong with a value itself, whatever it holds. */
function faultOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'undefined':
      return 'undefined, which JSON would leave out'
    case 'function':
    case 'symbol':
      return `a ${typeof value}, which JSON has no word for`
    case 'bigint':
      return 'a BigInt, which JSON has no word for: send a string'
    case 'number':
      return numberFault(value)
    case 'object':
      return value === null ? undefined : objectFault(value)
    default:
      return undefined
  }
}

function numberFault(value: number): string | undefined {
  if (!Number.isFinite(value)) return `${value}, which JSON would turn into null`
  if (isRounded(value)) return 'a whole number beyond 2^53, which may have been rounded: send a string'
  return undefined
}

function objectFault(value: object): string | undefined {
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) return 'an invalid Date, which JSON would turn into null'
    return 'a Date, which JSON would turn into a string: send one, for example date.toISOString()'
  }
  if (Buffer.isBuffer(value)) return "a Buffer, which JSON would turn into an object: send buffer.toString('base64')"
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) {
    return `binary data (${kindOf(value)}), which JSON would turn into an object: send a string, for example base64`
  }
  if (typeof (value as { then?: unknown }).then === 'function') return 'a promise: await it first'
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    return `${kindOf(value)} with a toJSON method: send what that gives`
  }
  if (Array.isArray(value) || isPlainObject(value)) {
    return types.isArgumentsObject(value) ? 'an arguments object: send an array' : undefined
  }
  return `${kindOf(value)}, which JSON would turn into a plain object: send an object or an array`
}

/** What a value is, without the value: it may be a secret. */
export function kindOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return `a ${typeof value}`
  const text = describe(value)
  return text === 'an object' && !isPlainObject(value) ? 'an object with a prototype of its own' : text
}

function pathText(path: readonly (string | number)[]): string {
  let text = `${path[0]}`
  for (const step of path.slice(1)) {
    if (typeof step === 'number') text += `[${step}]`
    else text += /^[\p{ID_Start}_$][\p{ID_Continue}$]{0,59}$/u.test(step) ? `.${step}` : `[${describe(step)}]`
  }
  return text
}
