import { PublishTemplate } from '../amqp/publish-template.ts'
import type { Declaration } from '../pool/declarations.ts'
import type { Prepared, PublishLimits } from '../pool/publish-request.ts'
import type { Embed } from './message/arguments.ts'
import { checkArguments } from './message/body-parts.ts'
import { compressed } from './message/compressors.ts'
import { DEFAULT_FORMAT, type MessageFormat } from './message/message-format.ts'
import { checkV1, taskTableV1 } from './message/message-v1.ts'
import { NO_TIMES, type TaskTimes, taskTimes } from './message/message-v2.ts'
import { argsRepr, kwargsRepr } from './message/repr.ts'
import type { EncodedEmbed } from './message/serializer.ts'
import { newTaskId } from './message/task-id.ts'
import { traceNow } from './message/trace-context.ts'
import { publishLimits } from './options/retry-policy.ts'
import type { CheckedTaskOptions } from './options/task-option-values.ts'
import type { TaskResults } from './results/task-results.ts'
import { addressOf, type Place } from './routing/destination.ts'
import { checkDraft, type TaskDraft } from './task-draft.ts'
import { TaskTemplates } from './task-templates.ts'

type Kwargs = Readonly<Record<string, unknown>>

const UUID = /^[\x20-\x7e]{36}$/

const NO_EMBED = { callbacks: null, errbacks: null, chain: null, chord: null } as const
/** Options that go into a body's embed, and nowhere else. */
const EMBEDDED = ['link', 'linkError', 'chain', 'chord'] as const
/** Options of a call that leave what is encoded ahead as it is. */
export const PER_CALL: ReadonlySet<string> = new Set([
  'taskId',
  'timeoutMs',
  'signal',
  'producer',
  'retry',
  'retryPolicy',
  ...EMBEDDED,
])

/** Makes the messages of one task with one set of options: what never changes is encoded once. */
export class TaskMessages {
  /** The task's name. */
  readonly name: string
  readonly options: CheckedTaskOptions
  readonly place: Place
  readonly results: TaskResults
  /** What must be declared before the first message. */
  readonly declaration: Declaration | undefined
  /** What bounds each publish; undefined: the pool's own limits. */
  readonly publishOptions: PublishLimits | undefined
  readonly #format: MessageFormat
  /** What the worker starts afterwards, encoded once; undefined: nothing. */
  readonly #embed: EncodedEmbed | undefined
  readonly #hasTimes: boolean
  #spelled: TaskTimes = NO_TIMES
  #spelledAt = Number.NaN
  /** Whether all messages are the same but for their slots. */
  readonly #isFixed: boolean
  readonly #templates: TaskTemplates

  constructor(
    name: string,
    place: Place,
    results: TaskResults,
    format: MessageFormat = DEFAULT_FORMAT,
    templates: TaskTemplates = new TaskTemplates(name, place, results.backend, format),
  ) {
    const { options } = place
    this.options = options
    this.place = place
    this.results = results
    this.declaration = results.backend.declarationWith(place.declaration)
    this.name = name
    this.#format = format
    if (format.protocol === 1) checkV1(options)
    const embed = embedOf(options)
    if (embed !== undefined) this.#embed = format.serializer.prepare(embed)
    const { countdown, eta, expires, taskId } = options
    this.#hasTimes = countdown !== undefined || typeof expires === 'number'
    this.publishOptions = publishLimits(options)
    // A lifetime or a delay that ends at a fixed time is another number with every message.
    const isAtFixedTime = typeof expires === 'string' || (eta !== undefined && place.delayedKey !== undefined)
    this.#isFixed = !isAtFixedTime && (taskId === undefined || UUID.test(taskId))
    this.#templates = templates
    if (this.#isFixed) templates.shared(undefined)
  }

  /** The same messages for one call whose options differ only in {@link PER_CALL}: nothing is encoded anew. */
  for(place: Place): TaskMessages {
    return new TaskMessages(this.name, place, this.results, this.#format, this.#templates)
  }

  /** The id that the next message gets. */
  nextId(): string {
    return this.options.taskId ?? newTaskId()
  }

  /**
   * A message, encoded but for its frames.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK for arguments that the serializer cannot carry.
   */
  prepare(id: string, args: readonly unknown[], kwargs: Kwargs): Prepared {
    const { protocol, serializer, traceContext } = this.#format
    if (protocol === 1) return this.#prepareV1(id, args, kwargs)
    const body = this.#compressed(serializer.encode(args, kwargs, this.#embed))
    const argsrepr = this.options.argsrepr ?? argsRepr(args)
    const kwargsrepr = this.options.kwargsrepr ?? kwargsRepr(kwargs)
    const trace = traceContext === undefined ? undefined : traceNow(traceContext)
    if (!this.#isFixed) {
      return { template: this.#templates.single(id, this.#timesNow(), trace), values: [id, argsrepr, kwargsrepr], body }
    }
    const template = this.#templates.shared(trace)
    if (!this.#hasTimes && trace === undefined) return { template, values: [id, argsrepr, kwargsrepr], body }
    const { eta, expires } = this.#timesNow()
    const values = [id, argsrepr, kwargsrepr, eta ?? '', expires ?? '']
    if (trace !== undefined) values.push(trace.traceparent, trace.tracestate ?? '')
    return { template, values, body }
  }

  /**
   * Checks arguments as {@link prepare} does.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK
   */
  check(args: readonly unknown[], kwargs: Kwargs): void {
    this.#format.serializer.encode(args, kwargs, undefined)
  }

  /** A message that is yet to be encoded, for those who may change it. */
  draft(id: string, args: readonly unknown[], kwargs: Kwargs): TaskDraft {
    checkArguments(args, kwargs, () => true)
    const { argsrepr = argsRepr(args), kwargsrepr = kwargsRepr(kwargs) } = this.options
    const { traceContext } = this.#format
    const times = this.#timesNow()
    const trace = traceContext === undefined ? undefined : traceNow(traceContext)
    const { headers, ...properties } = this.#templates.properties<string>({ id, argsrepr, kwargsrepr }, times, trace)
    return {
      name: this.name,
      taskId: id,
      args: [...args],
      kwargs: { ...kwargs },
      embed: { ...NO_EMBED, ...embedOf(this.options) },
      headers: { ...headers },
      properties: { ...properties },
      ...addressOf(this.place, Date.now()),
    }
  }

  /**
   * The message that a draft has become.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK when it is none any more.
   */
  sealed(id: string, draft: TaskDraft): Prepared {
    const { protocol, serializer } = this.#format
    checkDraft(draft, protocol)
    const { name, args, kwargs, embed, exchange, routingKey, headers } = draft
    const body =
      protocol === 1
        ? serializer.encodeTable(taskTableV1(name, id, args, kwargs, this.options, this.#timesNow(), embed))
        : serializer.encode(args, kwargs, serializer.prepare(embed))
    const properties = { ...draft.properties, headers }
    const { mandatory } = this.options
    const template = new PublishTemplate({ exchange, routingKey, mandatory, properties }, false)
    return {
      template,
      // A listener may have given it another id, by which the worker goes.
      values: [protocol === 1 ? id : textOf(headers.id), textOf(headers.argsrepr), textOf(headers.kwargsrepr)],
      body: this.#compressed(body),
    }
  }

  #prepareV1(id: string, args: readonly unknown[], kwargs: Kwargs): Prepared {
    const { serializer, traceContext } = this.#format
    const times = this.#timesNow()
    const table = taskTableV1(this.name, id, args, kwargs, this.options, times, embedOf(this.options))
    const body = this.#compressed(serializer.encodeTable(table))
    const trace = traceContext === undefined ? undefined : traceNow(traceContext)
    const template = this.#isFixed ? this.#templates.shared(trace) : this.#templates.single(id, times, trace)
    const values = trace === undefined ? [id] : [id, '', '', '', '', trace.traceparent, trace.tracestate ?? '']
    return { template, values, body }
  }

  #compressed(body: string | Buffer): string | Buffer {
    const { compressor } = this.#format
    return compressor === undefined ? body : compressed(compressor, body)
  }

  /** Messages of one millisecond have the same times, whose spelling takes half as long as all else of a delay(). */
  #timesNow(): TaskTimes {
    const now = Date.now()
    if (now !== this.#spelledAt) {
      this.#spelledAt = now
      this.#spelled = taskTimes(this.options, now)
    }
    return this.#spelled
  }
}

/** What a listener has left of a header. */
function textOf(header: unknown): string {
  return typeof header === 'string' ? header : ''
}

/** What the options say that the worker starts afterwards; undefined: nothing. */
function embedOf(options: CheckedTaskOptions): Embed | undefined {
  if (EMBEDDED.every((name) => options[name] === undefined)) return undefined
  const { link, linkError, chain, chord } = options
  return { callbacks: link ?? null, errbacks: linkError ?? null, chain: chain ?? null, chord: chord ?? null }
}
