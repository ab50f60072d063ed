import type { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { TaskMeta } from './task-meta.ts'

/** Who waits for what becomes of a task. None of these may throw. */
export interface ResultWatcher {
  /** Each state of the task, in order, from the first that is known. */
  received(meta: TaskMeta): void
  /** Nothing will come any more. */
  failed(error: PooledProducerError): void
}

/** Numbers of now, and since the app was made. */
export interface ResultStats {
  /** Tasks that somebody waits for. */
  readonly waiting: number
  /** Results that came and that nobody has asked for yet. */
  readonly kept: number
  /** Bytes of these. */
  readonly keptBytes: number
  /** States and results that came. */
  readonly received: number
  /** Messages that were no results. */
  readonly dropped: number
  /** Results that nobody asked for in time, or while there was room for them. */
  readonly evicted: number
}

/**
 * Who starts a chord: a worker; or the app, which tells the backend here how many tasks the header has, so that the last
 * of them to end starts the body.
 */
export type ChordStarter = 'worker' | ChordCounter

/** The part of a backend that knows chords. */
export interface ChordCounter {
  /**
   * @param groupId of the header.
   * @param group the results of a header that has groups in it, as Celery writes them; a plain header needs none.
   * @throws {PooledProducerError} rejects with ERR_RESULT_TIMEOUT when the backend does not answer.
   */
  setChordSize(groupId: string, size: number, group?: unknown): Promise<void>
}

/** Where the results of an app's tasks come from. */
export interface ResultBackend {
  /** The queue that workers send results to; undefined: they put them elsewhere, or nowhere. */
  readonly replyTo: string | undefined
  /** How long `get` waits when it is not told, in milliseconds. */
  readonly timeoutMs: number
  /** Why nothing comes at the moment, where that is known. */
  readonly obstacle: Error | undefined
  readonly stats: ResultStats
  /** Who starts a chord of the app's; undefined: nobody, as its workers' backend is of a kind that knows none. */
  readonly chordStarter: ChordStarter | undefined
  /** What the broker must have before a task is published: what the task needs, and what its result does. */
  declarationWith(own: Declaration | undefined): Declaration | undefined
  /** The last state of a task that is known in this process; nothing is asked for. */
  known(taskId: string): TaskMeta | undefined
  /**
   * Watches a task until the function that it gives is called. What is known already is told at once.
   *
   * @throws {PooledProducerError} ERR_INVALID_OPTION when there are no results to wait for, and why.
   */
  watch(taskId: string, watcher: ResultWatcher): () => void
  /**
   * The state of a task, asked for now.
   *
   * @throws {PooledProducerError} rejects as {@link watch} throws, or with ERR_RESULT_TIMEOUT.
   */
  read(taskId: string): Promise<TaskMeta | undefined>
  /** Drops the result of a task, wherever it is. */
  forget(taskId: string): Promise<void>
  /** Fails whoever waits. Never rejects. */
  close(): Promise<void>
}
