import { isPlainObject } from '../../plain-object.ts'
import { findFault, invalidArguments, kindOf } from './argument-faults.ts'
import { isJsonValue } from './json-value.ts'

/** Whether a serializer carries this value, which JSON does not. */
export type Carries = (value: unknown) => boolean

/**
 * Checks the arguments of a task, whatever they will be written in.
 *
 * @param carries what is taken beside JSON's own values.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the path, as in `args[0].user.tags[2]`, and never
 *   shows a value.
 */
export function checkArguments(args: unknown, kwargs: unknown, carries?: Carries): void {
  if (!Array.isArray(args)) throw invalidArguments(`args must be an array, got ${kindOf(args)}`)
  if (!isPlainObject(kwargs)) throw invalidArguments(`kwargs must be a plain object, got ${kindOf(kwargs)}`)
  checkValue(args, 'args', carries)
  checkValue(kwargs, 'kwargs', carries)
}

/** The quick look finds whether anything may be wrong; only then the thorough one finds what and where. */
export function checkValue(value: unknown, name: string, carries?: Carries): void {
  let isFine = false
  try {
    isFine = isJsonValue(value, 0)
  } catch {
    // A getter or a proxy threw; the search says at which path.
  }
  if (!isFine) findFault(value, name, carries)
}
