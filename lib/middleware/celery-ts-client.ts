import type { Message } from '../amqp/message.ts'
import { ORIGIN, taskPropertiesV2, taskTimes } from '../celery/message/message-v2.ts'
import { argsRepr, kwargsRepr } from '../celery/message/repr.ts'
import { taskName, taskOptions } from '../celery/options/task-options.ts'
import { QueueDeclaration } from '../celery/routing/queue-declaration.ts'
import { type PooledProducerError, quiet } from '../errors.ts'
import type { Receipt } from '../pool/pending-publish.ts'
import { prepare } from '../pool/prepared-message.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { CeleryTsClient } from './publisher-kind.ts'

/** A message as `celery-ts` hands it to its broker. */
interface TaskMessage {
  readonly body: string
  readonly 'content-type': string
  readonly headers: {
    readonly id: string
    readonly task: string
    /** JSON of the arguments, whatever the body is written in. */
    readonly argsrepr: string
    readonly kwargsrepr: string
    readonly eta: string | null
    readonly expires: string | null
    readonly timelimit: readonly [soft: number | null, hard: number | null]
    readonly compression?: string
  }
  readonly properties: {
    readonly body_encoding: BufferEncoding
    readonly delivery_mode: 1 | 2
    readonly priority: number
    readonly reply_to: string
    readonly delivery_info: { readonly routing_key: string }
  }
}

/** What of `celery-ts` is used beside `createTask`. */
interface ClientParts {
  readonly brokers: readonly object[]
  /** Of the `rpc://` backend: settles when its queue is there. */
  readonly backend?: { readonly consumerTag?: unknown }
}

interface TaskParts {
  applyAsync(options: { readonly ignoreResult?: boolean }): TsResult
}

interface TsResult {
  readonly result?: Promise<unknown>
}

/** The replaced methods of a client of `celery-ts`, and of each of its brokers. */
export interface PooledMethods {
  readonly client: { readonly createTask: CeleryTsClient['createTask'] }
  readonly broker: { readonly publish: (message: TaskMessage) => Promise<string> }
}

/**
 * Methods for a client of `celery-ts` with which its tasks go through the pool, those made before included: what the
 * client has put together becomes a full protocol v2 message, to a queue that is declared once per connection. A task
 * made from then on also gives the promise of the broker's confirm, as `published` beside the client's own result.
 */
export function pooledMethods(client: CeleryTsClient, pool: ProducerPool): PooledMethods {
  const createTask = client.createTask.bind(client)
  const messages = new TsMessages(pool, (client as unknown as ClientParts).backend?.consumerTag)
  return {
    client: {
      createTask(name) {
        const task = createTask(name) as TaskParts
        const applyAsync = task.applyAsync.bind(task)
        return Object.defineProperty(task, 'applyAsync', {
          value: (options: { readonly ignoreResult?: boolean }) => {
            return messages.during(options.ignoreResult === true, () => applyAsync(options))
          },
          configurable: true,
          writable: true,
        })
      },
    },
    broker: {
      publish: (message) => {
        void messages.send(message)
        // The client does not await this: a rejection would end the process.
        return Promise.resolve('handed to the pool')
      },
    },
  }
}

/** The brokers of a client. */
export function brokersOf(client: CeleryTsClient): readonly object[] {
  return (client as unknown as ClientParts).brokers
}

/** Sends the messages of one client. */
class TsMessages {
  readonly #pool: ProducerPool
  readonly #queues = new Map<string, QueueDeclaration>()
  /** Of the call that is being made: `celery-ts` hands its message over before it returns. */
  #ignoresResult = false
  #published: Promise<Receipt> | undefined
  /** Until the client listens for results: one that came sooner would be lost. */
  #listening: Promise<void> | undefined

  constructor(pool: ProducerPool, listening: unknown) {
    this.#pool = pool
    if (listening instanceof Promise) this.#awaitListener(listening)
  }

  /** Runs a call of the client's; its result gets the promise of the confirm of what it has sent. */
  during<Result extends TsResult>(ignoresResult: boolean, call: () => Result): Result {
    this.#ignoresResult = ignoresResult
    this.#published = undefined
    try {
      const result = call()
      // The client waits for each result from the start: one that does not come and that nobody has asked for would end
      // the process, and without a backend none comes.
      if (result.result !== undefined) void quiet(result.result)
      return Object.assign(result, { published: this.#published })
    } finally {
      this.#ignoresResult = false
    }
  }

  send(message: TaskMessage): Promise<Receipt> {
    const { id, task } = message.headers
    try {
      const declaration = this.#queue(message.properties.delivery_info.routing_key)
      const prepared = prepare(messageOf(message, this.#ignoresResult), undefined)
      const publish = () => this.#pool.send(prepared, undefined, undefined, declaration) as Promise<Receipt>
      this.#published = this.#listening === undefined ? publish() : quiet(this.#listening.then(publish))
    } catch (error) {
      this.#published = this.#pool.refuse(error as PooledProducerError, task, id)
    }
    return this.#published
  }

  #awaitListener(listening: Promise<unknown>): void {
    const done = (): void => {
      this.#listening = undefined
    }
    this.#listening = listening.then(done, done)
  }

  #queue(name: string): QueueDeclaration {
    let declaration = this.#queues.get(name)
    if (declaration === undefined) {
      declaration = new QueueDeclaration(name)
      this.#queues.set(name, declaration)
    }
    return declaration
  }
}

/** The message as Celery would make it; the body is the client's own, whatever it is written in. */
function messageOf(
  { body, 'content-type': contentType, headers, properties }: TaskMessage,
  ignoreResult: boolean,
): Message {
  const { id, task, argsrepr, kwargsrepr, eta, expires, compression } = headers
  // Celery reads the hard limit first, and `celery-ts` writes it last.
  const [softTimeLimit, timeLimit] = headers.timelimit
  const { delivery_mode: deliveryMode, priority, reply_to: replyTo, delivery_info } = properties
  const queue = delivery_info.routing_key
  const given = { eta, expires, softTimeLimit, timeLimit, deliveryMode, priority, replyTo, queue, ignoreResult }
  const options = taskOptions(given)
  const shown = { id, argsrepr: argsRepr(JSON.parse(argsrepr)), kwargsrepr: kwargsRepr(JSON.parse(kwargsrepr)) }
  const format = { contentType, contentEncoding: 'utf-8' }
  const made = taskPropertiesV2(taskName(task), shown, options, ORIGIN, taskTimes(options, Date.now()), format)
  return {
    exchange: '',
    routingKey: queue,
    body: Buffer.from(body, properties.body_encoding),
    mandatory: true,
    properties: compression === undefined ? made : { ...made, headers: { ...made.headers, compression } },
  }
}
