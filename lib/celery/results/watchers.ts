import type { PooledProducerError } from '../../errors.ts'
import type { ResultWatcher } from './result-backend.ts'
import type { TaskMeta } from './task-meta.ts'

/** Who watches which task. */
export class Watchers {
  readonly #byTask = new Map<string, ResultWatcher[]>()

  /** Tasks that are watched. */
  get size(): number {
    return this.#byTask.size
  }

  tasks(): IterableIterator<string> {
    return this.#byTask.keys()
  }

  has(taskId: string): boolean {
    return this.#byTask.has(taskId)
  }

  /** True for the first of a task. */
  add(taskId: string, watcher: ResultWatcher): boolean {
    const watchers = this.#byTask.get(taskId)
    if (watchers === undefined) this.#byTask.set(taskId, [watcher])
    else watchers.push(watcher)
    return watchers === undefined
  }

  /** True for the last of a task. */
  remove(taskId: string, watcher: ResultWatcher): boolean {
    const watchers = this.#byTask.get(taskId)
    const index = watchers?.indexOf(watcher) ?? -1
    if (watchers === undefined || index < 0) return false
    watchers.splice(index, 1)
    return watchers.length === 0 && this.#byTask.delete(taskId)
  }

  /** False when nobody watches the task. */
  tell(meta: TaskMeta): boolean {
    const watchers = this.#byTask.get(meta.taskId)
    if (watchers === undefined) return false
    // A copy: who has heard enough leaves.
    for (const watcher of [...watchers]) watcher.received(meta)
    return true
  }

  fail(taskId: string, error: PooledProducerError): void {
    for (const watcher of [...(this.#byTask.get(taskId) ?? [])]) watcher.failed(error)
  }

  failAll(error: (taskId: string) => PooledProducerError): void {
    for (const taskId of [...this.#byTask.keys()]) this.fail(taskId, error(taskId))
  }
}
