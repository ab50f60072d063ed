import type { ErrorCode } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import type { HeaderTable } from '../message/task-headers.ts'
import { Fields } from '../options/fields.ts'

/** An exchange, with Kombu's words in camelCase. */
export interface ExchangeOptions {
  readonly name: string
  /** `direct`, `topic`, `fanout`, `headers`, or one that a plugin of the broker knows. Default: `direct`. */
  readonly type?: string
  /** Default: true. */
  readonly durable?: boolean
  /** Default: false. */
  readonly autoDelete?: boolean
  readonly arguments?: Readonly<Record<string, unknown>>
  /** True: somebody else declares it. Default: false. */
  readonly noDeclare?: boolean
}

/** One more binding of a queue. */
export interface BindingOptions {
  /** Default: the queue's own exchange. */
  readonly exchange?: string | ExchangeOptions
  readonly exchangeType?: string
  readonly routingKey?: string
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** A queue, with Kombu's words in camelCase. */
export interface QueueOptions {
  readonly name: string
  /** The exchange that tasks for the queue go through. Default: what the app's defaults say. */
  readonly exchange?: string | ExchangeOptions
  /** The type of that exchange. Default: `direct`. */
  readonly exchangeType?: string
  /** What binds the queue to its exchange, and the routing key of its tasks. Default: the queue's name. */
  readonly routingKey?: string
  /** For an exchange of the type `headers`. */
  readonly bindingArguments?: Readonly<Record<string, unknown>>
  /** Bindings beside that one. */
  readonly bindings?: readonly BindingOptions[]
  /** Default: true. */
  readonly durable?: boolean
  /** Default: false. */
  readonly autoDelete?: boolean
  /** The queue's arguments for the broker, such as `x-queue-mode`. */
  readonly arguments?: Readonly<Record<string, unknown>>
  /** Kombu's name for `arguments`. */
  readonly queueArguments?: Readonly<Record<string, unknown>>
  /** 1 to 255; not for a quorum queue. */
  readonly maxPriority?: number
  /** Seconds that a message lives in the queue. */
  readonly messageTtl?: number
  /** Seconds after which the unused queue is deleted. */
  readonly expires?: number
  /** Messages that the queue holds at most. */
  readonly maxLength?: number
  /** Bytes that the queue holds at most. */
  readonly maxLengthBytes?: number
  /** Default: what the app's defaults say. */
  readonly queueType?: QueueType
  /** True: somebody else declares it. Default: false. */
  readonly noDeclare?: boolean
}

export const QUEUE_TYPES = ['classic', 'quorum'] as const
/** What RabbitMQ makes of a queue, its argument `x-queue-type`. */
export type QueueType = (typeof QUEUE_TYPES)[number]

/** An exchange as it is declared. */
export interface Exchange {
  readonly name: string
  readonly type: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly arguments: HeaderTable
  readonly noDeclare: boolean
}

/** What binds a queue to an exchange. */
export interface Binding {
  readonly exchange: Exchange
  readonly routingKey: string
  readonly arguments: HeaderTable
}

/** What a queue takes from its app where it says nothing itself. */
export interface QueueDefaults {
  readonly exchange?: Exchange
  readonly routingKey?: string
  readonly queueType?: QueueType
  readonly maxPriority?: number
}

const EXCHANGE_FIELDS = ['name', 'type', 'durable', 'autoDelete', 'arguments', 'noDeclare']
const BINDING_FIELDS = ['exchange', 'exchangeType', 'routingKey', 'arguments']
const QUEUE_FIELDS = [
  ...['name', 'exchange', 'exchangeType', 'routingKey', 'bindingArguments', 'bindings', 'durable', 'autoDelete'],
  ...['arguments', 'queueArguments', 'maxPriority', 'messageTtl', 'expires', 'maxLength', 'maxLengthBytes'],
  ...['queueType', 'noDeclare'],
]
/** The longest time that RabbitMQ takes, in seconds. */
const MAX_SECONDS = 315_360_000

/** A queue that was checked, with its defaults filled in. */
export class TaskQueue {
  readonly name: string
  /** Undefined: the default exchange, which routes by the queue's name, and to which nothing is bound. */
  readonly exchange: Exchange | undefined
  readonly routingKey: string
  /** To the queue's own exchange, and more. */
  readonly bindings: readonly Binding[]
  readonly durable: boolean
  readonly autoDelete: boolean
  /** As the broker gets them. */
  readonly arguments: HeaderTable
  readonly noDeclare: boolean

  /**
   * @param options the queue, or its name.
   * @param place what it is called in errors.
   * @throws {PooledProducerError} names the field, the value and what was expected.
   */
  constructor(
    options: QueueOptions | string,
    place: string,
    defaults: QueueDefaults = {},
    code: ErrorCode = 'ERR_INVALID_OPTION',
  ) {
    const given = typeof options === 'string' ? { name: options } : options
    const fields = new Fields(place, given, QUEUE_FIELDS, code)
    this.name = fields.name('name')
    this.exchange = exchangeOf(fields, place, code, this.name) ?? defaults.exchange
    this.routingKey = fields.text('routingKey') ?? defaults.routingKey ?? this.name
    this.durable = fields.flag('durable', true)
    this.autoDelete = fields.flag('autoDelete', false)
    this.noDeclare = fields.flag('noDeclare', false)
    this.arguments = queueArguments(fields, defaults)
    if (this.isQuorum) this.#checkQuorum(fields, place)
    this.bindings = Object.freeze(this.#bindings(fields, place, code))
    Object.freeze(this)
  }

  get isQuorum(): boolean {
    return this.arguments['x-queue-type'] === 'quorum'
  }

  toString(): string {
    return this.name
  }

  /** A signature that a worker sends on names its queue. */
  toJSON(): string {
    return this.name
  }

  #bindings(fields: Fields, place: string, code: ErrorCode): Binding[] {
    const all: Binding[] = []
    const { exchange, routingKey } = this
    // Nothing can be bound to the default exchange; it routes to every queue by its name.
    if (exchange !== undefined && exchange.name !== '') {
      all.push({ exchange, routingKey, arguments: fields.table('bindingArguments') })
    }
    fields.list('bindings').forEach((binding, index) => {
      const own = new Fields(`${place}.bindings[${index}]`, binding, BINDING_FIELDS, code)
      const target = exchangeOf(own, `${place}.bindings[${index}]`, code) ?? exchange
      if (target === undefined || target.name === '') throw own.refused('exchange', 'an exchange with a name')
      all.push({ exchange: target, routingKey: own.text('routingKey') ?? '', arguments: own.table('arguments') })
    })
    return all
  }

  /** RabbitMQ would refuse the declaration, and each of these is a wish that it cannot fulfil. */
  #checkQuorum(fields: Fields, place: string): void {
    const impossible =
      (this.arguments['x-max-priority'] !== undefined && 'maxPriority (RabbitMQ has no x-max-priority there)') ||
      (!this.durable && 'durable: false') ||
      (this.autoDelete && 'autoDelete: true')
    if (impossible) throw fields.invalid(`${place} is a quorum queue (${this.name}), which cannot have ${impossible}`)
  }
}

/** The exchange that fields name; undefined: they name none. */
function exchangeOf(fields: Fields, place: string, code: ErrorCode, ofQueue?: string): Exchange | undefined {
  const given = fields.get('exchange')
  const type = fields.text('exchangeType')
  if (isPlainObject(given)) {
    if (type !== undefined && given.type !== undefined && given.type !== type) {
      throw fields.refused('exchangeType', `that of its exchange (${describe(given.type)})`)
    }
    return exchange({ ...(type !== undefined && { type }), ...given }, `${place}.exchange`, code)
  }
  const name = fields.text('exchange')
  if (name === undefined && (type === undefined || ofQueue === undefined)) return undefined
  return exchange({ name: name ?? ofQueue, ...(type !== undefined && { type }) }, `${place}.exchange`, code)
}

/**
 * An exchange that was checked, with its defaults filled in.
 *
 * @throws {PooledProducerError} names the field, the value and what was expected.
 */
export function exchange(given: object, place: string, code: ErrorCode = 'ERR_INVALID_OPTION'): Exchange {
  const fields = new Fields(place, given, EXCHANGE_FIELDS, code)
  return Object.freeze({
    name: fields.text('name') ?? fields.name('name'),
    type: fields.has('type') ? fields.name('type') : 'direct',
    durable: fields.flag('durable', true),
    autoDelete: fields.flag('autoDelete', false),
    arguments: fields.table('arguments'),
    noDeclare: fields.flag('noDeclare', false),
  })
}

/** As Kombu's `to_rabbitmq_queue_arguments` makes them; a field of its own goes before a raw argument. */
function queueArguments(fields: Fields, defaults: QueueDefaults): HeaderTable {
  const raw = { ...fields.table('queueArguments'), ...fields.table('arguments') }
  const type = fields.oneOf('queueType', QUEUE_TYPES) ?? raw['x-queue-type'] ?? defaults.queueType
  const own = {
    'x-expires': fields.secondsAsMs('expires', MAX_SECONDS, 1),
    'x-message-ttl': fields.secondsAsMs('messageTtl', MAX_SECONDS),
    'x-max-length': fields.integer('maxLength', 0, Number.MAX_SAFE_INTEGER),
    'x-max-length-bytes': fields.integer('maxLengthBytes', 0, Number.MAX_SAFE_INTEGER),
    'x-max-priority': fields.integer('maxPriority', 1, 255) ?? raw['x-max-priority'] ?? defaults.maxPriority,
    // Celery leaves the broker's default out.
    'x-queue-type': type === 'classic' ? undefined : type,
  }
  const given = Object.entries(own).filter(([, value]) => value !== undefined)
  const all: HeaderTable = { ...raw, ...(Object.fromEntries(given) as HeaderTable) }
  return Object.freeze(fields.fitting('arguments', all))
}
