import { PublishTemplate } from '../amqp/publish-template.ts'
import { ID_SLOT, type Slot, steadySlot, textSlot } from '../amqp/template-fields.ts'
import type { MessageFormat } from './message/message-format.ts'
import { taskPropertiesV1 } from './message/message-v1.ts'
import {
  ORIGIN,
  type TaskProperties,
  type TaskTimes,
  type TraceHeaders,
  taskPropertiesV2,
  taskTimes,
  type VaryingParts,
} from './message/message-v2.ts'
import type { ValidTrace } from './message/trace-context.ts'
import type { ResultBackend } from './results/result-backend.ts'
import { addressOf, type Place } from './routing/destination.ts'

/** What fills the slots of a task's template, by place. Tasks of one millisecond have the same times. */
const SLOTS = { argsrepr: textSlot(1), kwargsrepr: textSlot(2), eta: steadySlot(3), expires: steadySlot(4) }
const TRACE = { traceparent: textSlot(5), tracestate: textSlot(6) }
/** The headers of a trace in the templates: without one, with one, and with one that has a state. */
const TRACES = [undefined, { traceparent: TRACE.traceparent }, TRACE] as const

/** Encodes all of a task's messages but their bodies: what never changes is encoded once. */
export class TaskTemplates {
  readonly #name: string
  readonly #place: Place
  readonly #results: ResultBackend
  readonly #format: MessageFormat
  /** By {@link TRACES}; each made when it is first needed. */
  readonly #shared: (PublishTemplate | undefined)[] = []

  constructor(name: string, place: Place, results: ResultBackend, format: MessageFormat) {
    this.#name = name
    this.#place = place
    this.#results = results
    this.#format = format
  }

  /** The template of messages that are the same but for what fills its slots. */
  shared(trace: ValidTrace | undefined): PublishTemplate {
    let variant = 0
    if (trace !== undefined) variant = trace.tracestate === undefined ? 1 : 2
    const made = this.#shared[variant]
    if (made !== undefined) return made
    const template = this.#encode(ID_SLOT, this.#slottedTimes(), TRACES[variant])
    this.#shared[variant] = template
    return template
  }

  /** The template of one message alone, whose id and times are in it. */
  single(id: string, times: TaskTimes, trace: TraceHeaders | undefined): PublishTemplate {
    return this.#encode(id, times, trace)
  }

  /** The properties of a message, its headers among them. */
  properties<T>(varying: VaryingParts<T>, times: TaskTimes<T>, trace: TraceHeaders<T> | undefined): TaskProperties<T> {
    const format = this.#format
    const { options: own } = this.#place
    const replyTo = own.replyTo ?? this.#results.replyTo
    const options = replyTo === undefined ? own : { ...own, replyTo }
    return format.protocol === 1
      ? taskPropertiesV1(varying.id, options, times.expiration, format, trace)
      : taskPropertiesV2(this.#name, varying, options, ORIGIN, times, format, trace)
  }

  #encode(id: string | Slot, times: TaskTimes<Slot>, trace: TraceHeaders<Slot> | undefined): PublishTemplate {
    const { argsrepr, kwargsrepr } = SLOTS
    const { exchange, routingKey } = addressOf(this.#place, Date.now())
    const properties = this.properties<string | Slot>({ id, argsrepr, kwargsrepr }, times, trace)
    const { mandatory } = this.#place.options
    return new PublishTemplate({ exchange, routingKey, mandatory, properties }, typeof id !== 'string')
  }

  #slottedTimes(): TaskTimes<Slot> {
    const { options } = this.#place
    const times = taskTimes(options, 0)
    return {
      eta: options.countdown ? SLOTS.eta : times.eta,
      expires: typeof options.expires === 'number' ? SLOTS.expires : times.expires,
      expiration: times.expiration,
    }
  }
}
