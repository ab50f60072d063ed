import { backoffMs } from '../amqp/backoff.ts'
import type { Connection } from '../amqp/connection.ts'
import { type ConsumeMessage, Consumer, type Consumption } from '../amqp/consumer.ts'
import { withTimeLimit } from '../amqp/time-limit.ts'
import { asError, PooledProducerError } from '../errors.ts'
import type { EventLog } from '../observe/log.ts'

/** What `pool.subscribe` takes. */
export interface SubscriptionRequest extends Consumption {
  /** What it is called in logs, e.g. `results`. */
  readonly name: string
  /** Is given each message. One that throws is logged, no more. */
  received(message: ConsumeMessage): void
  /** Nothing comes any more: it was closed, or its pool was. Must not throw. */
  closed?(): void
}

/** A consumer that lived shorter counts as a failed attempt: one that is ended at once must not be hammered. */
const STABLE_MS = 1_000

/**
 * A queue that is consumed from for as long as the pool lives: declared once, and again, with what consumes
 * from it, after each lost connection, closed channel or cancel of the broker's.
 */
export class Subscription {
  readonly name: string
  readonly #request: SubscriptionRequest
  readonly #connection: Connection
  readonly #log: EventLog
  readonly #closed: (subscription: Subscription) => void
  readonly #listeners = new Set<() => void>()
  #consumer: Consumer | undefined
  /** Resolves when the last attempt to open it has come to its end, whatever that was. */
  #attempt: Promise<void> | undefined
  #isReady = false
  #isClosed = false
  #openedAt = 0
  #failures = 0
  #lastError: Error | undefined
  #retryTimer: NodeJS.Timeout | undefined

  constructor(
    request: SubscriptionRequest,
    connection: Connection,
    log: EventLog,
    closed: (subscription: Subscription) => void,
  ) {
    this.name = request.name
    this.#request = request
    this.#connection = connection
    this.#log = log
    this.#closed = closed
  }

  /** Whether the queue is there and consumed from. */
  get isReady(): boolean {
    return this.#isReady
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Why it is not ready, where that is known. */
  get lastError(): Error | undefined {
    return this.#lastError ?? this.#connection.lastError
  }

  /**
   * Resolves once the queue is there and consumed from.
   *
   * @throws {PooledProducerError} rejects with ERR_BROKER_UNAVAILABLE after `timeoutMs`, its cause says why;
   *   ERR_POOL_CLOSED.
   */
  async ready({ timeoutMs }: { timeoutMs: number }): Promise<void> {
    this.wake()
    if (!this.#isReady && !this.#isClosed) await this.#change(timeoutMs)
    if (this.#isClosed) throw new PooledProducerError('ERR_POOL_CLOSED', `the subscription ${this.name} is closed`)
  }

  /** Tries to open it, unless it is open, is being opened, or cannot be now. */
  wake(): void {
    if (this.#isClosed) return
    // A connection that was refused is tried again when somebody asks.
    this.#connection.open()
    if (this.#consumer !== undefined || !this.#connection.isOpen) return
    clearTimeout(this.#retryTimer)
    const consumer = new Consumer(this.#request, {
      received: (message) => this.#receive(message),
      ended: (reason) => this.#ended(reason),
    })
    this.#consumer = consumer
    this.#attempt = consumer.open(this.#connection).then(
      () => this.#opened(),
      (error) => this.#ended(error),
    )
  }

  /** Stops consuming, and takes away what was declared where the request says how. A second call does nothing; never rejects. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isReady = false
    clearTimeout(this.#retryTimer)
    this.#tellListeners()
    this.#request.closed?.()
    // What it declares as it is opened can be taken away only once it is there.
    await this.#attempt
    await this.#consumer?.dispose()
    this.#closed(this)
  }

  #opened(): void {
    if (this.#isClosed) return
    this.#openedAt = performance.now()
    this.#isReady = true
    this.#lastError = undefined
    this.#tellListeners()
  }

  #ended(reason: Error): void {
    const isStable = this.#isReady && performance.now() - this.#openedAt >= STABLE_MS
    this.#consumer = undefined
    this.#isReady = false
    this.#failures = isStable ? 0 : this.#failures + 1
    // amqplib closes the channels of a lost connection before it says that the connection is lost.
    queueMicrotask(() => this.#retry(reason))
  }

  #retry(reason: Error): void {
    // A lost connection is logged as what it is, and wakes us when it is back.
    if (!this.#connection.isOpen || this.#isClosed) return
    if (this.#lastError?.message !== reason.message) {
      this.#log.write('pool.warning', { reason: `the subscription ${this.name} was interrupted`, error: reason })
    }
    this.#lastError = reason
    const delayMs = this.#failures === 0 ? 0 : backoffMs(this.#failures)
    this.#retryTimer = setTimeout(() => this.wake(), delayMs).unref()
  }

  #receive(message: ConsumeMessage): void {
    try {
      this.#request.received(message)
    } catch (error) {
      const reason = `what takes the messages of the subscription ${this.name} threw`
      this.#log.write('pool.warning', { reason, error: asError(error) })
    }
  }

  async #change(timeoutMs: number): Promise<void> {
    let listener = (): void => {}
    const change = new Promise<void>((resolve) => {
      listener = resolve
    })
    this.#listeners.add(listener)
    try {
      await withTimeLimit(change, timeoutMs, () => this.#late(timeoutMs))
    } finally {
      this.#listeners.delete(listener)
    }
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }

  #late(timeoutMs: number): PooledProducerError {
    const cause = this.lastError
    const text = `no subscription ${this.name} in ${timeoutMs} ms: ${cause?.message ?? 'there is no connection yet'}`
    return new PooledProducerError('ERR_BROKER_UNAVAILABLE', text, { cause })
  }
}
