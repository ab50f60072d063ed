import type { RawChannel } from '../amqp/connection.ts'
import { PublishTemplate } from '../amqp/publish-template.ts'
import type { Declaration } from '../pool/declarations.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { Prepared, PublishLimits } from '../pool/publish-request.ts'
import { ORIGIN, taskTimes } from './message/message-v2.ts'
import { argsRepr, kwargsRepr } from './message/repr.ts'
import type { TaskMessages } from './task-messages.ts'

const EXCHANGE = 'celeryev'
/** Events on their way at most; more are dropped, so that they take no room from tasks. */
const MOST_OPEN = 1_000
/** An event that is late is of no use to a monitor. */
const LIMITS: PublishLimits = {
  timeoutMs: 5_000,
  resending: { maxRetries: 0, firstPauseMs: 0, stepMs: 0, maxPauseMs: 0 },
}

/** What differs between two events is in the body alone. */
const TEMPLATE = new PublishTemplate({
  exchange: EXCHANGE,
  routingKey: 'task.sent',
  mandatory: false,
  properties: {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { hostname: ORIGIN },
    deliveryMode: 1,
    priority: 0,
  },
})

/**
 * Tells monitors such as Flower of each task that is sent. An event goes out beside its task, over the same
 * pool; while the pool still connects, it waits for its task's confirm. When the pool is blocked or closed, or a
 * thousand events are open, none is sent. What becomes of it has no effect on the task. Source: Celery,
 * "Monitoring and Management", `task-sent`.
 */
export class TaskSentEvents {
  readonly #pool: ProducerPool
  readonly #exchange: Declaration = new EventExchange()
  /** Lamport's clock, by which monitors put events in order. */
  #clock = 0
  #open = 0
  readonly #settled = (): void => {
    this.#open--
  }

  constructor(pool: ProducerPool) {
    this.#pool = pool
  }

  /** Sends the event of a task that is on its way; `sending` resolves with its confirm. */
  send(
    messages: TaskMessages,
    id: string,
    args: readonly unknown[],
    kwargs: object,
    prepared: Prepared,
    sending: Promise<unknown>,
  ): void {
    const { state } = this.#pool
    if (this.#open >= MOST_OPEN || (state !== 'open' && state !== 'connecting')) return
    this.#open++
    if (state === 'open') this.#publish(messages, id, args, kwargs, prepared)
    // In the line of those that wait for a connection it would take the room of a task.
    else sending.then(() => this.#publish(messages, id, args, kwargs, prepared), this.#settled)
  }

  #publish(messages: TaskMessages, id: string, args: readonly unknown[], kwargs: object, prepared: Prepared): void {
    const body = JSON.stringify(eventOf(messages, id, args, kwargs, prepared, ++this.#clock))
    const sending = this.#pool.send({ template: TEMPLATE, values: [], body }, undefined, LIMITS, this.#exchange)
    sending.then(this.#settled, this.#settled)
  }
}

function eventOf(
  messages: TaskMessages,
  id: string,
  args: readonly unknown[],
  kwargs: object,
  { template: { fields }, values }: Prepared,
  clock: number,
): object {
  const { name, options } = messages
  const now = Date.now()
  const { eta, expires } = taskTimes(options, now)
  const { exchange, routingKey } = fields
  const { queue } = options
  return {
    hostname: ORIGIN,
    // Hours west of Greenwich, as Python's time.timezone // 3600.
    utcoffset: Math.floor(new Date(now).getTimezoneOffset() / 60),
    pid: process.pid,
    clock,
    uuid: id,
    root_id: options.rootId ?? id,
    parent_id: options.parentId ?? null,
    name,
    args: values[1] || (options.argsrepr ?? argsRepr(args)),
    kwargs: values[2] || (options.kwargsrepr ?? kwargsRepr(kwargs as Record<string, unknown>)),
    retries: options.retries ?? 0,
    eta,
    expires,
    queue: (typeof queue === 'object' ? queue.name : queue) ?? (exchange === '' ? routingKey : null),
    exchange,
    routing_key: routingKey,
    timestamp: now / 1_000,
    type: 'task-sent',
  }
}

/** The exchange that workers and monitors declare too. */
class EventExchange implements Declaration {
  readonly name: string = `exchange ${EXCHANGE}`
  isDeclared = false

  declare(channel: RawChannel): Promise<unknown> {
    return channel.assertExchange(EXCHANGE, 'topic', { durable: true })
  }
}
