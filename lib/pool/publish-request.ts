import type { PublishTemplate } from '../amqp/publish-template.ts'

/** A message that is known to be right, ready for the queue. */
export interface Prepared {
  readonly template: PublishTemplate
  /** What fills the template's slots; of a task its id comes first, whatever the template does with it. */
  readonly values: readonly string[]
  readonly body: string | Buffer
}

/** Makes what a publish of a task resolves with, once it is confirmed: until then nothing more has to live with it. */
export interface ResultMaker {
  resultOf(taskId: string): unknown
}

/** How often, and after which pauses, a message is written again when a fault has left open what became of it. */
export interface Resending {
  /** Times that it may be written again; 0: never, `Infinity`: until its time is up. */
  readonly maxRetries: number
  /** Milliseconds before the first time. */
  readonly firstPauseMs: number
  /** Milliseconds by which each pause is longer than the last. */
  readonly stepMs: number
  /** No pause is longer. */
  readonly maxPauseMs: number
}

/** {@link PublishOptions}, and what a task's retry policy makes of sending again. */
export interface PublishLimits extends PublishOptions {
  resending?: Resending
}

/** What bounds one publish. */
export interface PublishOptions {
  /** Milliseconds for the whole of it: waiting, writing, confirm, sending again. Default: the pool's `publishTimeoutMs`. */
  timeoutMs?: number
  /** Ends the wait. A message that is written already may still arrive. */
  signal?: AbortSignal
}
