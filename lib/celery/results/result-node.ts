import type { WaitOptions } from './result-wait.ts'

/** The result of one task, or of several together. */
export interface ResultNode<Result = unknown> {
  /** The task's id, or the group's. */
  readonly id: string
  /** What had to end before this could start. */
  readonly parent: ResultNode | undefined
  /** The value, once it is there. */
  get(options?: WaitOptions): Promise<Result>
  /** Whether it has ended, as far as is known here. */
  ready(): boolean
  /** Whether it has ended well. */
  successful(): boolean
  /** Whether it has failed. */
  failed(): boolean
  /**
   * @internal Rejects when it fails without having started `next` itself, and never resolves. A group has none: workers
   * tell the body of a chord what has failed in its header.
   */
  failureBefore?(next: string, options: WaitOptions): Promise<never>
  /** Asks the backend what is known now. */
  refresh(): Promise<unknown>
  /** Drops what the backend holds of it. */
  forget(): Promise<void>
}
