import { backoffMs } from '../../amqp/backoff.ts'
import { withTimeLimit } from '../../amqp/time-limit.ts'
import { asError, PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { RedisStore } from './redis-clients.ts'
import { openStore } from './redis-store.ts'
import type { ChordCounter, ResultBackend, ResultStats, ResultWatcher } from './result-backend.ts'
import type { RedisBackend, ResultSettings } from './result-options.ts'
import { readMeta, type TaskMeta } from './task-meta.ts'
import { Turns } from './turns.ts'
import { Watchers } from './watchers.ts'

const TASK_KEY = 'celery-task-meta-'
const GROUP_KEY = 'celery-taskset-meta-'
/** An answer of Redis that takes longer than this is not waited for. */
const LIMIT_MS = 5_000

/**
 * Celery's `redis://`: workers store each state of a task under a key, and publish it there. A task is asked for
 * and listened for only while somebody waits; a call adds nothing. Source: Celery, `celery/backends/redis.py`.
 */
export class RedisResults implements ResultBackend {
  readonly replyTo = undefined
  readonly timeoutMs: number
  readonly #place: RedisBackend
  readonly #settings: ResultSettings
  readonly #watchers = new Watchers()
  /** What was told last of each task that is watched, as Redis has it: a state may be both heard and read. */
  readonly #told = new Map<string, string>()
  /** A client that begins to listen while it ends listening hears nothing. */
  readonly #turns = new Turns()
  #opening: Promise<RedisStore> | undefined
  #lastError: Error | undefined
  readonly #ended = new AbortController()
  #isClosed = false
  #received = 0
  #dropped = 0

  constructor(place: RedisBackend, settings: ResultSettings) {
    this.#place = place
    this.#settings = settings
    this.timeoutMs = settings.resultTimeoutMs
  }

  get obstacle(): Error | undefined {
    return this.#lastError
  }

  get chordStarter(): ChordCounter {
    return this
  }

  get stats(): ResultStats {
    const { size: waiting } = this.#watchers
    return { waiting, kept: 0, keptBytes: 0, received: this.#received, dropped: this.#dropped, evicted: 0 }
  }

  declarationWith(own: Declaration | undefined): Declaration | undefined {
    return own
  }

  /** Nothing is kept here: Redis keeps it. */
  known(): undefined {
    return undefined
  }

  watch(taskId: string, watcher: ResultWatcher): () => void {
    if (this.#isClosed) throw closed(taskId)
    if (this.#watchers.add(taskId, watcher)) void this.#follow(taskId)
    return () => {
      if (!this.#watchers.remove(taskId, watcher)) return
      // At once: who comes next must be told anew.
      this.#told.delete(taskId)
      void this.#leave(taskId)
    }
  }

  async read(taskId: string): Promise<TaskMeta | undefined> {
    return this.#answer(taskId, (store) => this.#fetch(store, taskId))
  }

  async forget(taskId: string): Promise<void> {
    await this.#answer(taskId, (store) => store.delete(this.#key(TASK_KEY, taskId)))
  }

  /**
   * Tells the workers of a chord how many tasks its header has: the last to end starts the body, with the results as
   * `group` nests them. Source: Celery, `RedisBackend.set_chord_size` and `apply_chord`.
   *
   * @throws {PooledProducerError} rejects with ERR_RESULT_TIMEOUT when Redis does not answer.
   */
  async setChordSize(groupId: string, size: number, group?: unknown): Promise<void> {
    const key = this.#key(GROUP_KEY, groupId)
    const { resultExpires } = this.#settings
    await this.#answer(groupId, async (store) => {
      if (group !== undefined) await store.setAndPublish(key, resultExpires, JSON.stringify({ result: group }))
      await store.setAndPublish(`${key}.s`, resultExpires, `${size}`)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watchers.failAll(closed)
    this.#ended.abort()
    const store = await this.#opening?.catch(() => undefined)
    store?.close()
  }

  /** Listens first and asks then, so that nothing falls in between; again until that works or nobody waits. */
  async #follow(taskId: string): Promise<void> {
    for (let attempt = 1; this.#watchers.has(taskId); attempt++) {
      try {
        const store = await this.#store()
        await this.#turns.take(taskId, async () => {
          if (this.#watchers.has(taskId)) await store.subscribe(this.#key(TASK_KEY, taskId))
        })
        return await this.#ask(store, taskId)
      } catch (error) {
        if (error instanceof PooledProducerError) return this.#watchers.fail(taskId, error)
        this.#lastError = asError(error)
        await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt)).unref())
      }
    }
  }

  async #leave(taskId: string): Promise<void> {
    const store = await this.#opening?.catch(() => undefined)
    await this.#turns.take(taskId, async () => {
      // Somebody may wait for it again by now.
      if (!this.#watchers.has(taskId)) await store?.unsubscribe(this.#key(TASK_KEY, taskId)).catch(() => {})
    })
  }

  async #ask(store: RedisStore, taskId: string): Promise<void> {
    const before = this.#told.get(taskId)
    const text = await this.#get(store, taskId)
    // What was heard meanwhile is no older.
    if (text !== null && this.#told.get(taskId) === before) this.#tell(taskId, text)
  }

  #tell(taskId: string, text: string): void {
    if (!this.#watchers.has(taskId) || this.#told.get(taskId) === text) return
    this.#told.set(taskId, text)
    const meta = this.#read(taskId, text)
    if (meta !== undefined) this.#watchers.tell(meta)
  }

  async #fetch(store: RedisStore, taskId: string): Promise<TaskMeta | undefined> {
    const text = await this.#get(store, taskId)
    return text === null ? undefined : this.#read(taskId, text)
  }

  async #get(store: RedisStore, taskId: string): Promise<string | null> {
    const text = await store.get(this.#key(TASK_KEY, taskId))
    this.#lastError = undefined
    return text
  }

  #read(taskId: string, text: string): TaskMeta | undefined {
    const given = { content: Buffer.from(text), contentType: 'application/json' }
    const meta = readMeta(given, taskId, this.#settings)
    if (meta === 'not a result' || meta.fault !== undefined) this.#dropped++
    else this.#received++
    return meta === 'not a result' ? undefined : meta
  }

  async #answer<T>(taskId: string, ask: (store: RedisStore) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed(taskId)
    try {
      const asking = this.#store().then(ask)
      return await withTimeLimit(asking, LIMIT_MS, () => new Error(`Redis did not answer in ${LIMIT_MS} ms`))
    } catch (error) {
      if (error instanceof PooledProducerError) throw error
      const cause = this.#lastError ?? asError(error)
      throw new PooledProducerError('ERR_RESULT_TIMEOUT', `nothing known of ${taskId}: ${cause.message}`, {
        cause,
        taskId,
      })
    }
  }

  #store(): Promise<RedisStore> {
    this.#opening ??= openStore(this.#place.redis, {
      message: (channel, text) => this.#message(channel, text),
      ready: () => void this.#askAll(),
      failed: (error) => {
        this.#lastError = error
      },
      ended: this.#ended.signal,
    }).catch((error) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  #message(channel: string, text: string): void {
    this.#tell(channel.slice(this.#key(TASK_KEY, '').length), text)
  }

  /** After a lost connection: what was published meanwhile was not heard. */
  async #askAll(): Promise<void> {
    const store = await this.#opening?.catch(() => undefined)
    if (store === undefined) return
    await Promise.allSettled([...this.#watchers.tasks()].map((taskId) => this.#ask(store, taskId)))
  }

  #key(kind: string, id: string): string {
    return `${this.#place.keyPrefix}${kind}${id}`
  }
}

function closed(taskId: string): PooledProducerError {
  return new PooledProducerError('ERR_POOL_CLOSED', 'no more results come: the app is closed', { taskId })
}
