import { PatientTimer } from '../../amqp/patient-timer.ts'
import { MAX_TIMER_MS } from '../../integer.ts'
import type { TaskMeta } from './task-meta.ts'

interface Kept {
  readonly meta: TaskMeta
  readonly bytes: number
  /** Milliseconds of `performance.now()`. */
  readonly until: number
}

/** How many results are kept for whoever may ask, how large together, and for how long. */
export interface KeepLimits {
  readonly maxResults: number
  readonly maxBytes: number
  readonly maxAgeMs: number
}

/** Results that nobody has asked for yet, oldest first: so many, so large and so old at most. */
export class KeptResults {
  /** How many were dropped for the room or the time they took. */
  evicted = 0
  /** What all of them take, in bytes. */
  bytes = 0
  readonly #limits: KeepLimits
  readonly #kept = new Map<string, Kept>()
  readonly #timer = new PatientTimer()

  constructor(limits: KeepLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#kept.size
  }

  get(taskId: string): TaskMeta | undefined {
    return this.#kept.get(taskId)?.meta
  }

  /** In the place of what was known of the task. */
  keep(meta: TaskMeta, bytes: number): void {
    this.take(meta.taskId)
    const { maxAgeMs, maxResults, maxBytes } = this.#limits
    this.#kept.set(meta.taskId, { meta, bytes, until: performance.now() + maxAgeMs })
    this.bytes += bytes
    while (this.#kept.size > maxResults || this.bytes > maxBytes) this.#evictOldest()
    if (!this.#timer.isRunning) this.#arm()
  }

  take(taskId: string): TaskMeta | undefined {
    const kept = this.#kept.get(taskId)
    if (kept === undefined) return undefined
    this.#kept.delete(taskId)
    this.bytes -= kept.bytes
    return kept.meta
  }

  clear(): void {
    this.#timer.stop()
    this.#kept.clear()
    this.bytes = 0
  }

  #arm(): void {
    const [oldest] = this.#kept.values()
    if (oldest === undefined) return
    this.#timer.start(() => this.#sweep(), Math.min(Math.max(1, oldest.until - performance.now()), MAX_TIMER_MS))
  }

  #sweep(): void {
    const now = performance.now()
    for (const { until } of this.#kept.values()) {
      if (until > now) break
      this.#evictOldest()
    }
    this.#arm()
  }

  #evictOldest(): void {
    const [oldest] = this.#kept.keys()
    if (oldest === undefined) return
    this.take(oldest)
    this.evicted++
  }
}
