import type { PublishTemplate } from '../amqp/publish-template.ts'

/** A message that is known to be right, ready for the queue. */
export interface Prepared {
  readonly template: PublishTemplate
  readonly values: readonly string[]
  readonly body: string | Buffer
}

/** What bounds one publish. */
export interface PublishOptions {
  /** Milliseconds for the whole of it: waiting, writing, confirm, sending again. Default: the pool's `publishTimeoutMs`. */
  timeoutMs?: number
  /** Ends the wait. A message that is written already may still arrive. */
  signal?: AbortSignal
}
