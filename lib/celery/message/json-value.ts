import { isPlainObject } from '../../plain-object.ts'

/**
 * Levels of arrays and objects at most, the outermost included. Python's JSON decoder gives up a little
 * below 1,000; a worker then acks the message and loses it.
 */
export const MAX_DEPTH = 500

/** From here JSON writes a whole number as a float. Below, it is digits that claim to be exact. */
const FIRST_EXPONENT = 1e21

/**
 * Whether JSON carries the value as it is. The quick look: false can also mean that it takes a thorough
 * one to tell. A circle is seen as a depth over the bound.
 */
export function isJsonValue(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isSafeInteger(value) || (Number.isFinite(value) && !isRounded(value))
    case 'object':
      if (value === null) return true
      if (depth === MAX_DEPTH) return false
      return Array.isArray(value) ? isJsonList(value, depth) : isJsonDict(value, depth)
    default:
      return false
  }
}

function isJsonList(list: readonly unknown[], depth: number): boolean {
  if (Object.getPrototypeOf(list) !== Array.prototype) return false
  for (let i = 0; i < list.length; i++) {
    if (!isJsonValue(list[i], depth + 1)) return false
  }
  return true
}

function isJsonDict(dict: object, depth: number): boolean {
  if (!isPlainObject(dict) || Object.getOwnPropertySymbols(dict).length > 0) return false
  for (const key in dict) {
    if (!isJsonValue(dict[key], depth + 1)) return false
  }
  return true
}

/** Whether a whole number has more digits than a double keeps, and JSON writes them all the same. */
export function isRounded(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < FIRST_EXPONENT
}
