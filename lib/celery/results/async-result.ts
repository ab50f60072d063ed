import { checkCallOptions } from '../../call-options.ts'
import { PooledProducerError, quiet } from '../../errors.ts'
import type { RevokeOptions } from '../control/control.ts'
import { NOT_CONFIGURED } from './no-results.ts'
import { withParents } from './parents.ts'
import type { ResultBackend } from './result-backend.ts'
import { resultError } from './result-error.ts'
import type { ResultNode } from './result-node.ts'
import { outcomeOf, statesOf, type WaitOptions } from './result-wait.ts'
import { isFinal, type TaskMeta } from './task-meta.ts'

/** A state of a task on its way. */
export interface TaskProgress {
  /** Celery's word, e.g. `STARTED` or `RETRY`, or one of the task's own, e.g. `PROGRESS`. */
  readonly state: string
  /** What the worker said with it: for a state of the task's own, what it gave `update_state` as `meta`. */
  readonly info: unknown
}

/** Tells workers not to run a task: `app.control`. */
export interface Revoker {
  revoke(taskId: string, options?: RevokeOptions): Promise<unknown>
}

/**
 * A task that the broker has, and what becomes of it. `state`, `ready()` and the like tell what this process
 * knows and ask nobody; `get`, `progress` and `refresh` ask. One is made for every task, so it holds little.
 */
export class AsyncResult<Result = unknown> implements ResultNode<Result> {
  readonly taskId: string
  /** The task before it in a chain, or the group before it in a chord. */
  readonly parent: ResultNode | undefined
  readonly #backend: ResultBackend
  readonly #revoker: Revoker | undefined
  #meta: TaskMeta | undefined

  constructor(taskId: string, backend: ResultBackend = NOT_CONFIGURED, parent?: ResultNode, revoker?: Revoker) {
    this.taskId = taskId
    this.parent = parent
    this.#backend = backend
    this.#revoker = revoker
    this.#meta = undefined
  }

  /** As `taskId`; Celery's name for it. */
  get id(): string {
    return this.taskId
  }

  /** Celery's word for the last state that is known here; `PENDING` when none is. */
  get state(): string {
    return this.#known()?.status ?? 'PENDING'
  }

  /** The value that the task returned; undefined until that is known here. */
  get result(): Result | undefined {
    const meta = this.#known()
    return meta?.status === 'SUCCESS' ? (meta.result as Result) : undefined
  }

  /** Why the task has failed or was not run, as `get` would reject; undefined unless that is known here. */
  get error(): PooledProducerError | undefined {
    const meta = this.#known()
    return meta !== undefined && isFinal(meta) && meta.status !== 'SUCCESS' ? resultError(meta) : undefined
  }

  /** What the worker said with the last state: the value, the exception, or what `update_state` was given as `meta`. */
  get info(): unknown {
    return this.#known()?.result
  }

  /** Python's traceback, of a task that raised an exception. */
  get traceback(): string | undefined {
    return this.#known()?.traceback
  }

  /** The results of what the task has started, once it has ended: those of a group as an array. */
  get children(): readonly (AsyncResult | readonly AsyncResult[])[] {
    const children = this.#known()?.children
    return Array.isArray(children) ? children.flatMap((child) => this.#child(child)) : []
  }

  /** Whether the task has ended, well or not. */
  ready(): boolean {
    const meta = this.#known()
    return meta !== undefined && isFinal(meta)
  }

  /** Whether the task has ended well. */
  successful(): boolean {
    return this.state === 'SUCCESS'
  }

  /** Whether the task has raised an exception. */
  failed(): boolean {
    return this.state === 'FAILURE'
  }

  /**
   * The value that the task returns, once it has. A second call gives the same. When a task before it in a workflow
   * fails, this one is never run: `get` rejects with the error of that one.
   *
   * @throws {PooledProducerError} rejects with ERR_TASK_FAILED or ERR_TASK_REVOKED, whose `remote` is the
   *   worker's exception; ERR_RESULT_TIMEOUT; ERR_ABORTED; ERR_POOL_CLOSED; and ERR_INVALID_OPTION where
   *   no result comes, or one that cannot be read.
   */
  get(options: WaitOptions = {}): Promise<Result> {
    return quiet(this.#get(options))
  }

  /**
   * The states that the task goes through until it has ended, from the last one that is known.
   *
   * @example
   * for await (const { state, info } of result.progress()) console.log(state, info)
   *
   * @throws {PooledProducerError} as {@link get}, but not for a task that failed.
   */
  async *progress(options: WaitOptions = {}): AsyncGenerator<TaskProgress, void> {
    checkCallOptions(options, ['timeoutMs', 'signal'])
    if (this.ready()) return
    for await (const meta of statesOf(this.#backend, this.taskId, options)) {
      this.#meta = meta
      if (!isFinal(meta)) yield { state: meta.status, info: meta.result }
    }
  }

  /**
   * Asks the backend for the state of the task, and gives it.
   *
   * @throws {PooledProducerError} rejects with ERR_RESULT_TIMEOUT, or ERR_INVALID_OPTION where no result comes.
   */
  async refresh(): Promise<string> {
    if (!this.ready()) this.#meta = (await this.#backend.read(this.taskId)) ?? this.#meta
    return this.state
  }

  /** Drops what the backend holds of the task. What this object knows it keeps. */
  async forget(): Promise<void> {
    this.#meta = this.#known()
    await this.#backend.forget(this.taskId)
  }

  /**
   * Tells workers not to start the task, and to end it if `terminate` says so; as `app.control.revoke`. Resolves
   * once the broker has the command.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_OPTION, and all that `pool.publish` rejects with.
   */
  revoke(options: RevokeOptions = {}): Promise<void> {
    return quiet(this.#revoke(options))
  }

  /** @internal */
  failureBefore(next: string, options: WaitOptions): Promise<never> {
    return new Promise((_, reject) => {
      const settled = (meta: TaskMeta): void => {
        // A task that fails may have started others, which run all the same.
        const hasStarted = this.children.flat().some(({ id }) => id === next)
        if (meta.status !== 'SUCCESS' && meta.fault === undefined && !hasStarted) reject(resultError(meta))
      }
      const known = this.#known()
      if (known !== undefined && isFinal(known)) settled(known)
      // Why nothing is heard of it is no reason to wait no longer for what comes after it.
      else this.#ended(options).then(settled, () => {})
    })
  }

  toString(): string {
    return this.taskId
  }

  async #revoke(options: RevokeOptions): Promise<void> {
    if (this.#revoker === undefined) {
      throw new PooledProducerError('ERR_INVALID_OPTION', `the result of task ${this.taskId} belongs to no app`)
    }
    await this.#revoker.revoke(this.taskId, options)
  }

  async #get(options: WaitOptions): Promise<Result> {
    checkCallOptions(options, ['timeoutMs', 'signal'])
    const known = this.#meta
    const meta = known !== undefined && isFinal(known) ? known : await this.#outcome(options)
    if (meta.status !== 'SUCCESS') throw resultError(meta)
    return meta.result as Result
  }

  #outcome(options: WaitOptions): Promise<TaskMeta> {
    if (this.parent === undefined) return this.#ended(options)
    return withParents(this, options, (bounds) => this.#ended(bounds))
  }

  #ended(options: WaitOptions): Promise<TaskMeta> {
    return outcomeOf(this.#backend, this.taskId, options, (meta) => {
      this.#meta = meta
    })
  }

  #known(): TaskMeta | undefined {
    const meta = this.#meta
    if (meta !== undefined && isFinal(meta)) return meta
    return this.#backend.known(this.taskId) ?? meta
  }

  /** One of Celery's tuples: `[[id, parent], null]`, or of a group `[[id, parent], [members]]`. */
  #child(tuple: unknown): (AsyncResult | readonly AsyncResult[])[] {
    const [node, members] = Array.isArray(tuple) ? tuple : []
    if (Array.isArray(members)) return [members.flatMap((member) => this.#child(member)).flat()]
    const id: unknown = Array.isArray(node) ? node[0] : node
    return typeof id === 'string' ? [new AsyncResult(id, this.#backend, this, this.#revoker)] : []
  }
}
