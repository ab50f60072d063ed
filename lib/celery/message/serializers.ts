import { closestName } from '../../closest-name.ts'
import { PooledProducerError } from '../../errors.ts'
import { type Embed, encodeArguments, encodeEmbed } from './arguments.ts'

/** What a serializer has made of an embed, for its own `encode`: made once where it is the same for many messages. */
export type EncodedEmbed = string | Embed

/** Turns the parts of a task into the body of its message, and says what the body is written in. */
export interface Serializer {
  /** Celery's name for it, as in `task_serializer`. */
  readonly name: string
  /** The property `content_type`; a worker takes what its `accept_content` lists. */
  readonly contentType: string
  /** The property `content_encoding`. */
  readonly contentEncoding: string
  /**
   * Makes ready what the worker starts when the task has ended.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names the path of what cannot be carried.
   */
  prepare(embed: Embed): EncodedEmbed
  /**
   * The body of a protocol v2 message, `[args, kwargs, embed]`.
   *
   * @param embed what {@link prepare} gave; by default nothing is started.
   * @throws {PooledProducerError} ERR_INVALID_TASK names the path of what cannot be carried.
   */
  encode(
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    embed: EncodedEmbed | undefined,
  ): string | Buffer
}

/** Celery's default: what JSON would change or drop without a word is refused. */
export const JSON_SERIALIZER: Serializer = Object.freeze({
  name: 'json',
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  prepare: encodeEmbed,
  encode: encodeArguments,
})

/** The serializers of an app, by Celery's names. */
export class Serializers {
  readonly #known = new Map<string, Serializer>([[JSON_SERIALIZER.name, JSON_SERIALIZER]])

  /**
   * The serializer of this name.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names those that there are.
   */
  get(name: string): Serializer {
    const serializer = this.#known.get(name)
    if (serializer !== undefined) return serializer
    const names = [...this.#known.keys()]
    const near = closestName(name, names)
    const hint = near === undefined ? `known are ${names.join(', ')}` : `did you mean ${near}?`
    throw new PooledProducerError('ERR_INVALID_TASK', `${name} is not a serializer; ${hint}`, { outcome: 'not-sent' })
  }
}
