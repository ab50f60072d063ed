import { PooledProducerError } from '../../errors.ts'
import { findFault, invalidArguments, kindOf } from './argument-faults.ts'
import { isJsonValue, isPlainObject } from './json-value.ts'

/** The third element of a message's body: what the worker starts when the task has ended. */
export interface Embed {
  readonly callbacks?: readonly unknown[] | null
  readonly errbacks?: readonly unknown[] | null
  readonly chain?: readonly unknown[] | null
  readonly chord?: unknown
}

const NO_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'

const NO_KWARGS_NO_EMBED = `,{},${NO_EMBED}]`

/**
 * The body of a protocol v2 message: JSON of `[args, kwargs, embed]`. A value that JSON would change or
 * drop without a word is refused: arguments arrive as they were given, or not at all. Taken are plain
 * objects, arrays, strings, booleans, null and numbers, save whole ones from 2^53 to 1e21, which may have
 * been rounded. A getter is read like a property, more than once. Source: Celery, "Message Protocol",
 * version 2.
 *
 * @param embed what the worker starts afterwards, or what {@link encodeEmbed} made of it.
 * @throws {PooledProducerError} ERR_INVALID_TASK names the path, as in `args[0].user.tags[2]`, and never
 *   shows a value.
 */
export function encodeArguments(
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  embed?: Embed | string,
): string {
  try {
    if (!Array.isArray(args)) throw invalidArguments(`args must be an array, got ${kindOf(args)}`)
    if (!isPlainObject(kwargs)) throw invalidArguments(`kwargs must be a plain object, got ${kindOf(kwargs)}`)
    check(args, 'args')
    check(kwargs, 'kwargs')
    // Few pieces: a string stays in the pieces that it was put together from as long as the message waits.
    if (embed === undefined && isEmpty(kwargs)) return `[${JSON.stringify(args)}${NO_KWARGS_NO_EMBED}`
    return `[${JSON.stringify(args)},${JSON.stringify(kwargs)},${embed === undefined ? NO_EMBED : textOf(embed)}]`
  } catch (cause) {
    throw unwritable(cause)
  }
}

/**
 * The third element of the body on its own. A worker takes any three elements, but Celery always sends these
 * four names.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the path, as in `callbacks[0].args[1]`.
 */
export function encodeEmbed({ callbacks = null, errbacks = null, chain = null, chord = null }: Embed): string {
  check(callbacks, 'callbacks')
  check(errbacks, 'errbacks')
  check(chain, 'chain')
  check(chord, 'chord')
  try {
    return JSON.stringify({ callbacks, errbacks, chain, chord })
  } catch (cause) {
    throw unwritable(cause)
  }
}

function textOf(embed: Embed | string): string {
  return typeof embed === 'string' ? embed : encodeEmbed(embed)
}

function unwritable(cause: unknown): PooledProducerError {
  return cause instanceof PooledProducerError
    ? cause
    : invalidArguments('the arguments cannot be written as JSON', cause)
}

function isEmpty(dict: object): boolean {
  for (const _ in dict) return false
  return true
}

/** The quick look finds whether anything may be wrong; only then the thorough one finds what and where. */
function check(value: unknown, name: string): void {
  let isFine = false
  try {
    isFine = isJsonValue(value, 0)
  } catch {
    // A getter or a proxy threw; the search says at which path.
  }
  if (!isFine) findFault(value, name)
}
