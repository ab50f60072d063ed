import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import { type Compressor, Compressors } from './compressors.ts'
import type { BodyFormat } from './message-v2.ts'
import type { Serializer } from './serializer.ts'
import { JSON_SERIALIZER, Serializers } from './serializers.ts'
import type { TraceContextSource } from './trace-context.ts'
import type { SerializerDefinition } from './value-serializer.ts'

/** How the messages of a task are written: in which protocol, by which serializer and how they are made smaller. */
export interface MessageFormat extends BodyFormat {
  readonly protocol: 1 | 2
  readonly serializer: Serializer
  readonly compressor: Compressor | undefined
  /** Asked for each message; undefined: nothing is traced. */
  readonly traceContext: TraceContextSource | undefined
}

/** What an app says of the format of its messages. */
export interface FormatOptions {
  readonly taskProtocol: 1 | 2
  readonly taskSerializer: string
  readonly taskCompression: string | undefined
  readonly serializers: Readonly<Record<string, SerializerDefinition>>
  readonly compressors: Readonly<Record<string, Compressor>>
  readonly jsonTypes: boolean
  readonly traceContext: TraceContextSource | undefined
}

/** Celery's default. */
export const DEFAULT_FORMAT: MessageFormat = format(2, JSON_SERIALIZER, undefined, undefined)

/** The formats that an app's tasks can have. */
export class MessageFormats {
  readonly #options: FormatOptions
  readonly #serializers: Serializers
  readonly #compressors: Compressors

  /** @throws {PooledProducerError} ERR_INVALID_TASK for a default that there is not. */
  constructor(options: FormatOptions) {
    this.#options = options
    this.#serializers = new Serializers(options.serializers, options.jsonTypes)
    this.#compressors = new Compressors(options.compressors)
    this.of({ mandatory: true, declare: true })
  }

  /**
   * The format of a task with these options.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK names the option.
   */
  of(options: CheckedTaskOptions): MessageFormat {
    const { taskProtocol, taskSerializer, taskCompression, traceContext } = this.#options
    const compression = options.compression ?? taskCompression
    return format(
      taskProtocol,
      this.#serializers.get(options.serializer ?? taskSerializer),
      compression === undefined ? undefined : this.#compressors.get(compression),
      traceContext,
    )
  }
}

function format(
  protocol: 1 | 2,
  serializer: Serializer,
  compressor: Compressor | undefined,
  traceContext: TraceContextSource | undefined,
): MessageFormat {
  const { contentType, contentEncoding } = serializer
  const compression = compressor?.contentType
  return Object.freeze({ protocol, serializer, compressor, contentType, contentEncoding, compression, traceContext })
}
