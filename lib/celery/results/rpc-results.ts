import type { ConsumeMessage } from '../../amqp/consumer.ts'
import { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { ProducerPool } from '../../pool/producer-pool.ts'
import type { Subscription } from '../../pool/subscription.ts'
import { newTaskId } from '../message/task-id.ts'
import { KeptResults } from './kept-results.ts'
import { ReplyQueue } from './reply-queue.ts'
import type { ResultBackend, ResultStats, ResultWatcher } from './result-backend.ts'
import type { ResultSettings } from './result-options.ts'
import { readMeta, type TaskMeta } from './task-meta.ts'
import { Watchers } from './watchers.ts'

/** Results that nobody has asked for yet take so much together, in bytes, at most. */
const MAX_KEPT_BYTES = 64 * 2 ** 20
/** Messages that the broker sends ahead of their acks. */
const PREFETCH = 1_000

/**
 * Celery's `rpc://`: workers send each result to a queue of the app's, which is declared once and consumed from
 * for as long as the app lives. A call adds nothing to the books: its message carries the queue's name, encoded
 * ahead. Source: Celery, `celery/backends/rpc.py`.
 */
export class RpcResults implements ResultBackend {
  readonly replyTo: string
  /** Workers send these results away, and count none. */
  readonly chordStarter = undefined
  readonly timeoutMs: number
  readonly #settings: ResultSettings
  readonly #queue: ReplyQueue
  readonly #subscription: Subscription
  readonly #watchers = new Watchers()
  readonly #kept: KeptResults
  #received = 0
  #dropped = 0

  constructor(pool: ProducerPool, settings: ResultSettings) {
    const { resultExpires, maxKeptResults, resultTimeoutMs } = settings
    this.#settings = settings
    this.timeoutMs = resultTimeoutMs
    const maxAgeMs = resultExpires * 1_000
    this.#kept = new KeptResults({ maxResults: maxKeptResults, maxBytes: MAX_KEPT_BYTES, maxAgeMs })
    // Not to be guessed: who can write to it can answer for the workers.
    this.replyTo = newTaskId()
    const queue = new ReplyQueue(this.replyTo, maxAgeMs)
    this.#queue = queue
    this.#subscription = pool.subscribe({
      name: 'results',
      declare: (channel) => queue.declare(channel),
      dispose: (channel) => queue.delete(channel),
      received: (message) => this.#receive(message),
      closed: () => this.#closed(),
      // A result that a lost connection swallowed is sent again.
      noAck: false,
      prefetch: PREFETCH,
    })
  }

  get obstacle(): Error | undefined {
    return this.#subscription.isReady ? undefined : this.#subscription.lastError
  }

  get stats(): ResultStats {
    const { size: kept, bytes: keptBytes, evicted } = this.#kept
    return { waiting: this.#watchers.size, kept, keptBytes, received: this.#received, dropped: this.#dropped, evicted }
  }

  declarationWith(own: Declaration | undefined): Declaration {
    return this.#queue.with(own)
  }

  known(taskId: string): TaskMeta | undefined {
    return this.#kept.get(taskId)
  }

  watch(taskId: string, watcher: ResultWatcher): () => void {
    if (this.#subscription.isClosed) throw closedResults(taskId)
    // A connection that the broker has refused is tried again.
    this.#subscription.wake()
    this.#watchers.add(taskId, watcher)
    const known = this.#kept.take(taskId)
    if (known !== undefined) watcher.received(known)
    return () => void this.#watchers.remove(taskId, watcher)
  }

  /** Whatever has come is known already: the queue is consumed from all the time. */
  async read(taskId: string): Promise<TaskMeta | undefined> {
    return this.known(taskId)
  }

  async forget(taskId: string): Promise<void> {
    this.#kept.take(taskId)
  }

  async close(): Promise<void> {
    await this.#subscription.close()
  }

  #closed(): void {
    this.#watchers.failAll(closedResults)
    this.#kept.clear()
  }

  #receive({ content, properties }: ConsumeMessage): void {
    const { contentType, correlationId } = properties
    const meta = readMeta({ content, contentType }, correlationId, this.#settings)
    if (meta === 'not a result') {
      this.#dropped++
      return
    }
    if (meta.fault === undefined) this.#received++
    else this.#dropped++
    if (!this.#watchers.tell(meta)) this.#kept.keep(meta, content.length)
  }
}

function closedResults(taskId: string): PooledProducerError {
  return new PooledProducerError('ERR_POOL_CLOSED', 'no more results come: the app or its pool is closed', { taskId })
}
