import { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { ResultBackend, ResultStats, ResultWatcher } from './result-backend.ts'
import { isFinal, type TaskMeta } from './task-meta.ts'
import { Watchers } from './watchers.ts'

/** Results kept at most, the oldest go first: a server that is tried out for days must not grow with its tasks. */
const MOST_KEPT = 10_000

/** Results that never leave the process: those of tasks that run in it, or that a test has made up. */
export class MemoryResults implements ResultBackend {
  readonly replyTo = undefined
  readonly timeoutMs = 10_000
  readonly obstacle = undefined
  readonly chordStarter = 'worker'
  readonly #metas = new Map<string, TaskMeta>()
  readonly #watchers = new Watchers()
  #received = 0
  #evicted = 0

  get stats(): ResultStats {
    const { size: waiting } = this.#watchers
    const [received, evicted] = [this.#received, this.#evicted]
    return { waiting, kept: this.#metas.size, keptBytes: 0, received, dropped: 0, evicted }
  }

  /** The task has returned. */
  succeed(taskId: string, result: unknown): void {
    this.#add({ taskId, status: 'SUCCESS', result, traceback: undefined, children: null, fault: undefined })
  }

  /** The task has thrown; the exception is spelled as Celery's workers spell one. */
  fail(taskId: string, { name, message, stack }: Error): void {
    const result = { exc_type: name, exc_message: [message], exc_module: 'builtins' }
    this.#add({ taskId, status: 'FAILURE', result, traceback: stack, children: null, fault: undefined })
  }

  declarationWith(own: Declaration | undefined): Declaration | undefined {
    return own
  }

  known(taskId: string): TaskMeta | undefined {
    return this.#metas.get(taskId)
  }

  watch(taskId: string, watcher: ResultWatcher): () => void {
    const known = this.#metas.get(taskId)
    if (known !== undefined) watcher.received(known)
    if (known === undefined || !isFinal(known)) this.#watchers.add(taskId, watcher)
    return () => {
      this.#watchers.remove(taskId, watcher)
    }
  }

  async read(taskId: string): Promise<TaskMeta | undefined> {
    return this.#metas.get(taskId)
  }

  async forget(taskId: string): Promise<void> {
    this.#metas.delete(taskId)
  }

  async close(): Promise<void> {
    this.#watchers.failAll((taskId) => new PooledProducerError('ERR_POOL_CLOSED', 'the app is closed', { taskId }))
  }

  #add(meta: TaskMeta): void {
    this.#received++
    this.#metas.set(meta.taskId, meta)
    this.#evictOldest()
    this.#watchers.tell(meta)
  }

  #evictOldest(): void {
    if (this.#metas.size <= MOST_KEPT) return
    const [oldest = ''] = this.#metas.keys()
    this.#metas.delete(oldest)
    this.#evicted++
  }
}
