import type { Embed } from './arguments.ts'

/** What a serializer has made of an embed, for its own `encode`: made once where it is the same for many messages. */
export type EncodedEmbed = string | Embed

/** The fields of a protocol v1 message. */
export interface TaskTable {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly [name: string]: unknown
}

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
  /** The body of a protocol v1 message, one object; the embed in it was prepared. */
  encodeTable(table: TaskTable): string | Buffer
}
