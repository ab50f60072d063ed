import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { invalidArguments } from './argument-faults.ts'
import { wholeEmbed } from './arguments.ts'
import { type Carries, checkArguments } from './body-parts.ts'
import type { EncodedEmbed, Serializer } from './serializer.ts'

/** How an app's own serializer is given: it writes one value, the worker's must read it. */
export interface SerializerDefinition {
  /** The property `content_type`, as the worker's serializer is registered. */
  readonly contentType: string
  /** The property `content_encoding`: `utf-8` for text, `binary` for anything else. Default: `utf-8`. */
  readonly contentEncoding?: string
  /** Writes arrays, plain objects and whatever the arguments of the app's tasks hold. */
  encode(value: unknown): string | Uint8Array
}

/** What such a serializer takes as arguments: JSON's values and these, or whatever its `encode` does not throw at. */
type Taken = Carries | 'anything'

/**
 * A serializer of something that writes any value.
 *
 * @param taken what the arguments may hold beside JSON's own values.
 */
export function valueSerializer(name: string, definition: Required<SerializerDefinition>, taken: Taken): Serializer {
  const { contentType, contentEncoding } = definition
  const carries = taken === 'anything' ? () => true : taken
  const dump = (value: unknown) => written(name, definition, value)
  const encode = (args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>, embed?: EncodedEmbed) => {
    checkArguments(args, kwargs, carries)
    return dump([args, kwargs, embed ?? wholeEmbed()])
  }
  return Object.freeze({
    name,
    contentType,
    contentEncoding,
    prepare: (embed) => wholeEmbed(embed, carries),
    encode,
    encodeTable: (table) => {
      checkArguments(table.args, table.kwargs, carries)
      return dump(table)
    },
  } satisfies Serializer)
}

/** What the definition's `encode` gives, whatever it does. */
function written(name: string, definition: SerializerDefinition, value: unknown): string | Buffer {
  let bytes: unknown
  try {
    bytes = definition.encode(value)
  } catch (cause) {
    if (cause instanceof PooledProducerError) throw cause
    throw invalidArguments(`the serializer ${name} cannot write the arguments`, cause)
  }
  if (typeof bytes === 'string') return bytes
  if (bytes instanceof Uint8Array) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  throw invalidArguments(`the serializer ${name} must give a string or a Uint8Array, and gave a ${typeof bytes}`)
}

/**
 * Content types that kombu hands on as they are, whatever is registered: a worker dies of a task that it cannot read.
 * Source: kombu, `kombu/serialization.py`, `TRUSTED_CONTENT`.
 */
export const UNREAD: ReadonlySet<string> = new Set(['application/data', 'application/text'])

/** The fault of a definition; undefined: there is none. */
export function definitionFault(definition: unknown): string | undefined {
  if (!isPlainObject(definition)) return 'must be an object with contentType and encode'
  const { contentType, contentEncoding = 'utf-8', encode } = definition
  if (typeof contentType !== 'string' || contentType === '') return 'needs a contentType, as the worker knows it'
  if (UNREAD.has(contentType)) return `contentType must not be ${contentType}, which kombu does not read`
  if (contentEncoding !== 'utf-8' && contentEncoding !== 'binary') return "contentEncoding must be 'utf-8' or 'binary'"
  return typeof encode === 'function' ? undefined : 'needs a function encode'
}
