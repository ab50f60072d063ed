import { PooledProducerError } from '../../errors.ts'
import { invalidArguments } from './argument-faults.ts'
import { type Carries, checkArguments, checkValue } from './body-parts.ts'

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
    checkArguments(args, kwargs)
    // Few pieces: a string stays in the pieces that it was put together from as long as the message waits.
    if (embed === undefined && isEmpty(kwargs)) return `[${JSON.stringify(args)}${NO_KWARGS_NO_EMBED}`
    return `[${JSON.stringify(args)},${JSON.stringify(kwargs)},${embed === undefined ? NO_EMBED : textOf(embed)}]`
  } catch (cause) {
    throw unwritable(cause)
  }
}

/**
 * The third element of the body on its own.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the path, as in `callbacks[0].args[1]`.
 */
export function encodeEmbed(embed: Embed): string {
  const whole = wholeEmbed(embed)
  try {
    return JSON.stringify(whole)
  } catch (cause) {
    throw unwritable(cause)
  }
}

/**
 * A worker takes any three elements, but Celery always sends these four names.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK names the path of what cannot be carried.
 */
export function wholeEmbed(
  { callbacks = null, errbacks = null, chain = null, chord = null }: Embed = {},
  carries?: Carries,
): Embed {
  const embed = { callbacks, errbacks, chain, chord }
  for (const [name, value] of Object.entries(embed)) checkValue(value, name, carries)
  return embed
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
