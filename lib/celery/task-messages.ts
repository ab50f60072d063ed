import { PublishTemplate } from '../amqp/publish-template.ts'
import { ID_SLOT, type Slot, textSlot } from '../amqp/template-fields.ts'
import type { Declaration } from '../pool/declarations.ts'
import type { Prepared, PublishLimits } from '../pool/publish-request.ts'
import type { Embed } from './message/arguments.ts'
import { compressed } from './message/compressors.ts'
import { DEFAULT_FORMAT, type MessageFormat } from './message/message-format.ts'
import { checkV1, taskPropertiesV1, taskTableV1 } from './message/message-v1.ts'
import { NO_TIMES, ORIGIN, type TaskTimes, taskPropertiesV2, taskTimes } from './message/message-v2.ts'
import { argsRepr, kwargsRepr } from './message/repr.ts'
import type { EncodedEmbed } from './message/serializer.ts'
import { newTaskId } from './message/task-id.ts'
import { resendingOf } from './options/retry-policy.ts'
import type { CheckedTaskOptions } from './options/task-option-values.ts'
import type { ResultBackend } from './results/result-backend.ts'
import { DELAY_EXCHANGE, delayKey } from './routing/delayed-delivery.ts'
import type { Place } from './routing/destination.ts'

/** What fills the slots of a task's template, by place. */
const SLOTS = { argsrepr: textSlot(1), kwargsrepr: textSlot(2), eta: textSlot(3), expires: textSlot(4) }
const UUID = /^[\x20-\x7e]{36}$/

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
  /** Where what becomes of the tasks is told. */
  readonly results: ResultBackend
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
  readonly #template: PublishTemplate | undefined

  constructor(
    name: string,
    place: Place,
    results: ResultBackend,
    format: MessageFormat = DEFAULT_FORMAT,
    template?: PublishTemplate,
  ) {
    const { options } = place
    this.options = options
    this.place = place
    this.results = results
    this.declaration = results.declarationWith(place.declaration)
    this.name = name
    this.#format = format
    if (format.protocol === 1) checkV1(options)
    const embed = embedOf(options)
    if (embed !== undefined) this.#embed = format.serializer.prepare(embed)
    const { countdown, eta, expires, taskId } = options
    this.#hasTimes = countdown !== undefined || typeof expires === 'number'
    this.publishOptions = limits(options)
    // A lifetime or a delay that ends at a fixed time is another number with every message.
    const isAtFixedTime = typeof expires === 'string' || (eta !== undefined && place.delayedKey !== undefined)
    const isFixed = !isAtFixedTime && (taskId === undefined || UUID.test(taskId))
    if (isFixed) this.#template = template ?? this.#encode(ID_SLOT, this.#slottedTimes())
  }

  /** The same messages for one call whose options differ only in {@link PER_CALL}: nothing is encoded anew. */
  for(place: Place): TaskMessages {
    return new TaskMessages(this.name, place, this.results, this.#format, this.#template)
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
  prepare(id: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): Prepared {
    const { protocol, serializer } = this.#format
    if (protocol === 1) return this.#prepareV1(id, args, kwargs)
    const body = this.#compressed(serializer.encode(args, kwargs, this.#embed))
    const { argsrepr, kwargsrepr } = this.options
    const values = [id, argsrepr ?? argsRepr(args), kwargsrepr ?? kwargsRepr(kwargs)]
    const template = this.#template
    if (template === undefined) return { template: this.#encode(id, taskTimes(this.options, Date.now())), values, body }
    if (this.#hasTimes) {
      const { eta, expires } = this.#timesNow()
      values.push(eta ?? '', expires ?? '')
    }
    return { template, values, body }
  }

  #prepareV1(id: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): Prepared {
    const times = taskTimes(this.options, Date.now())
    const table = taskTableV1(this.name, id, args, kwargs, this.options, times, embedOf(this.options))
    const body = this.#compressed(this.#format.serializer.encodeTable(table))
    return { template: this.#template ?? this.#encode(id, times), values: [id], body }
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

  #slottedTimes(): TaskTimes<Slot> {
    const { countdown, expires } = this.options
    const times = taskTimes(this.options, 0)
    return {
      eta: countdown ? SLOTS.eta : times.eta,
      expires: typeof expires === 'number' ? SLOTS.expires : times.expires,
      expiration: times.expiration,
    }
  }

  #encode(id: string | Slot, times: TaskTimes<Slot>): PublishTemplate {
    const { argsrepr, kwargsrepr } = SLOTS
    const { exchange, routingKey } = exchangeAndKey(this.place, Date.now())
    const replyTo = this.options.replyTo ?? this.results.replyTo
    const options = replyTo === undefined ? this.options : { ...this.options, replyTo }
    const varying = { id, argsrepr, kwargsrepr }
    const properties =
      this.#format.protocol === 1
        ? taskPropertiesV1<string | Slot>(id, options, times.expiration, this.#format)
        : taskPropertiesV2<string | Slot>(this.name, varying, options, ORIGIN, times, this.#format)
    return new PublishTemplate({ exchange, routingKey, mandatory: options.mandatory, properties })
  }
}

/** Where a message that is sent at `now` goes: through the broker's delay, if it is to wait there. */
function exchangeAndKey(
  { exchange, routingKey, delayedKey, options }: Place,
  now: number,
): Pick<Place, 'exchange' | 'routingKey'> {
  if (delayedKey === undefined) return { exchange, routingKey }
  const { countdown = 0, eta } = options
  const key = delayKey(eta === undefined ? countdown : (Date.parse(eta) - now) / 1_000, delayedKey)
  return key === undefined ? { exchange, routingKey } : { exchange: DELAY_EXCHANGE, routingKey: key }
}

/** What the options say that the worker starts afterwards; undefined: nothing. */
function embedOf(options: CheckedTaskOptions): Embed | undefined {
  if (EMBEDDED.every((name) => options[name] === undefined)) return undefined
  const { link, linkError, chain, chord } = options
  return { callbacks: link ?? null, errbacks: linkError ?? null, chain: chain ?? null, chord: chord ?? null }
}

function limits({ timeoutMs, signal, retry, retryPolicy }: CheckedTaskOptions): PublishLimits | undefined {
  const resending = resendingOf(retry, retryPolicy)
  if (timeoutMs === undefined && signal === undefined && resending === undefined) return undefined
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(signal !== undefined && { signal }),
    ...(resending !== undefined && { resending }),
  }
}
