import { checkCallOptions } from '../../call-options.ts'
import { quiet } from '../../errors.ts'
import type { RevokeOptions } from '../control/control.ts'
import type { AsyncResult } from './async-result.ts'
import { withParents } from './parents.ts'
import type { ResultNode } from './result-node.ts'
import type { WaitOptions } from './result-wait.ts'

/** The results of tasks that were sent as one, in their order. */
export class GroupResult<Results extends readonly unknown[] = readonly unknown[]> implements ResultNode<Results> {
  /** The group's id, as in the header `group` of its tasks. */
  readonly id: string
  readonly results: readonly (AsyncResult | GroupResult)[]
  readonly parent: ResultNode | undefined

  constructor(id: string, results: readonly (AsyncResult | GroupResult)[], parent?: ResultNode) {
    this.id = id
    this.results = results
    this.parent = parent
  }

  get length(): number {
    return this.results.length
  }

  [Symbol.iterator](): Iterator<AsyncResult | GroupResult> {
    return this.results[Symbol.iterator]()
  }

  /**
   * The values of all, in the order of the group. The first that fails ends the wait for the others, and so does a task
   * before the group.
   *
   * @throws {PooledProducerError} rejects as the `get` of that task does.
   */
  get(options: WaitOptions = {}): Promise<Results> {
    return quiet(this.#get(options))
  }

  /**
   * What becomes of each, in the order of the group, once all have ended; as `Promise.allSettled` has it.
   *
   * @throws {PooledProducerError} rejects with ERR_INVALID_OPTION for bad options, and for nothing else.
   */
  async settled(options: WaitOptions = {}): Promise<PromiseSettledResult<Results[number]>[]> {
    checkCallOptions(options, ['timeoutMs', 'signal'])
    return Promise.allSettled(this.results.map((result) => result.get(options)))
  }

  /** How many have ended well, as far as is known here. */
  completedCount(): number {
    return this.results.filter((result) => result.successful()).length
  }

  /** Whether all have ended, as far as is known here. */
  ready(): boolean {
    return this.results.every((result) => result.ready())
  }

  /** Whether all have ended well. */
  successful(): boolean {
    return this.results.every((result) => result.successful())
  }

  /** Whether one has failed. */
  failed(): boolean {
    return this.results.some((result) => result.failed())
  }

  async refresh(): Promise<void> {
    await Promise.all(this.results.map((result) => result.refresh()))
  }

  async forget(): Promise<void> {
    await Promise.all(this.results.map((result) => result.forget()))
  }

  /** Tells workers not to start any of its tasks; as `AsyncResult.revoke` does for one. */
  revoke(options: RevokeOptions = {}): Promise<void> {
    return quiet(Promise.all(this.results.map((result) => result.revoke(options))).then(() => undefined))
  }

  toString(): string {
    return this.id
  }

  async #get(options: WaitOptions): Promise<Results> {
    checkCallOptions(options, ['timeoutMs', 'signal'])
    if (this.parent === undefined) return this.#values(options)
    return withParents(this, options, (bounds) => this.#values(bounds))
  }

  async #values(options: WaitOptions): Promise<Results> {
    const ending = new AbortController()
    const signal = options.signal === undefined ? ending.signal : AbortSignal.any([options.signal, ending.signal])
    try {
      return (await Promise.all(this.results.map((result) => result.get({ ...options, signal })))) as unknown as Results
    } finally {
      ending.abort()
    }
  }
}
