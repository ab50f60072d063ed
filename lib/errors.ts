import { types } from 'node:util'

/**
 * Every code that an error of this package can carry, with what `retryable` says for it unless the
 * place that raises it knows better. The list is public and closed.
 */
const RETRYABLE = {
  ERR_INVALID_OPTION: false,
  ERR_INVALID_PUBLISHER: false,
  ERR_INVALID_TASK: false,
  ERR_ACQUIRE_TIMEOUT: true,
  ERR_POOL_EXHAUSTED: true,
  ERR_POOL_CLOSED: false,
  ERR_NOT_LEASED: false,
  ERR_PRODUCER_RELEASED: false,
  ERR_BROKER_UNAVAILABLE: true,
  ERR_BROKER_REFUSED: false,
  ERR_BROKER_BLOCKED: true,
  ERR_CHANNEL_CLOSED: false,
  ERR_NACKED: true,
  ERR_UNROUTABLE: false,
  ERR_PUBLISH_TIMEOUT: true,
  ERR_MESSAGE_TOO_LARGE: false,
  ERR_ABORTED: true,
  ERR_RESULT_TIMEOUT: true,
  ERR_TASK_FAILED: false,
  ERR_TASK_REVOKED: false,
} as const

/** A code of {@link PooledProducerError}. */
export type ErrorCode = keyof typeof RETRYABLE

/** All codes, in the order of the README. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(RETRYABLE) as ErrorCode[]

/**
 * What is known of a message whose publish was rejected: `not-sent`, no byte of it was written;
 * `refused`, the broker said no; `unknown`, it may or may not have been stored.
 */
export type Outcome = 'not-sent' | 'refused' | 'unknown'

/** An exception that a worker raised. */
export interface RemoteException {
  /** Its class, e.g. `ValueError`. */
  readonly type: string
  /** Its text, as Python's `str()` gives it. */
  readonly message: string
  /** The module of its class, e.g. `builtins`. */
  readonly module: string | undefined
  /** As Python prints it. */
  readonly traceback: string | undefined
}

/** What an error can say beside its code and its message. */
export interface ErrorDetails {
  readonly cause?: unknown
  readonly retryable?: boolean
  readonly outcome?: Outcome | undefined
  readonly taskId?: string | undefined
  readonly retryAfterMs?: number | undefined
  /** A snapshot of the pool, as `pool.stats()` gives it. */
  readonly stats?: object
  readonly remote?: RemoteException
}

/**
 * The one class of error that this package raises. Match it by `code`, not by `instanceof`: two copies
 * of the package in one process have two classes.
 */
export class PooledProducerError extends Error {
  override readonly name = 'PooledProducerError'
  readonly code: ErrorCode
  /** Whether the same call can work later without a change. */
  readonly retryable: boolean
  /** What is known of the message; only on errors of a publish. */
  declare readonly outcome?: Outcome
  /** The id of the task; only on errors of a task or of its result. */
  declare readonly taskId?: string
  /**
   * How long to wait before the same call, in milliseconds: until the next attempt to connect, or a second where
   * nobody can know. Only on errors that time may cure.
   */
  declare readonly retryAfterMs?: number
  /** The pool's numbers at the time; only where they explain the error. */
  declare readonly stats?: object
  /** What the worker raised; only where a task has failed or was revoked. */
  declare readonly remote?: RemoteException

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    // Absent details stay absent, so that a logged error holds nothing empty.
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryable = details.retryable ?? RETRYABLE[code]
    if (details.outcome !== undefined) this.outcome = details.outcome
    if (details.taskId !== undefined) this.taskId = details.taskId
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs
    if (details.stats !== undefined) this.stats = details.stats
    if (details.remote !== undefined) this.remote = details.remote
  }
}

/**
 * Keeps a promise whose rejection nobody awaits from ending the process: a failed publish is logged and
 * counted, and the caller who did not await it has said that it needs no more than that.
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** What was thrown, as an error; errors of another realm, such as a worker's or a test's, are errors too. */
export function asError(thrown: unknown): Error {
  return types.isNativeError(thrown) || thrown instanceof Error ? thrown : new Error(String(thrown))
}

function ignore(): void {}
