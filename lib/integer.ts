import { PooledProducerError } from './errors.ts'
import { describe } from './shown-value.ts'

/** The longest delay that a Node timer keeps; a longer one fires at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/**
 * The number given, when it is an integer within the bounds.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const text = `${name} must be an integer from ${min} to ${max}, got ${describe(value)}`
    throw new PooledProducerError('ERR_INVALID_OPTION', text)
  }
  return value
}
