import { parseBrokerUrl } from '../amqp/broker-url.ts'
import { Connection, type ConnectionOwner } from '../amqp/connection.ts'
import { PatientTimer } from '../amqp/patient-timer.ts'
import { type ErrorCode, type Outcome, PooledProducerError } from '../errors.ts'
import type { EventHub } from '../observe/event-hub.ts'
import type { EventLog } from '../observe/log.ts'
import type { EffectivePoolOptions } from '../options.ts'
import type { PoolEvents } from './pool-events.ts'

/** What a pool's connections let it do. `refused`: the broker said no to the credentials, the vhost or TLS. */
export type ConnectionsState = 'connecting' | 'open' | 'blocked' | 'refused'

/** Why what waits does not get on: the code of the error that says so, and its cause. */
export interface Obstacle {
  readonly code: ErrorCode
  readonly reason: string
  readonly cause: Error | undefined
  /** When the same call may be worth another try, in milliseconds from now. */
  readonly retryAfterMs: number
}

/** How soon the same call may be worth another try, where nobody can know: room in the pool, the end of an alarm. */
export const BUSY_RETRY_MS = 1_000
/** An attempt to connect takes about so long; sooner a call would only find it under way. */
const SHORTEST_RETRY_MS = 100

/** Who is told when the connections allow more, or nothing at all. */
export interface ConnectionsOwner {
  opened(): void
  unblocked(connection: Connection): void
  /** Every connection was refused: whoever waits would wait in vain. */
  refused(error: PooledProducerError): void
}

/** The connections of one pool, and what they mean together. */
export class ConnectionSet implements ConnectionOwner {
  /** Those that publish. */
  readonly all: readonly Connection[]
  /**
   * The one that consumes, apart from the others: RabbitMQ stops reading from a connection that publishes when
   * it is short of memory or disk, and what is consumed must go on. It is opened for the first who needs it.
   */
  readonly consuming: Connection
  readonly #log: EventLog
  readonly #events: EventHub<PoolEvents>
  readonly #owner: ConnectionsOwner
  readonly #failFastAfterMs: number
  /**
   * Since when no connection can take a message, in milliseconds of `performance.now()`. Undefined: one can, or none has
   * failed yet; a process that is busy as it starts has tried nothing.
   */
  #awaySince: number | undefined
  /** The same, once it was failFastAfterMs ago, and a loop that was held up then has heard what came in meanwhile. */
  #outageSince: number | undefined
  readonly #patience = new PatientTimer()
  #refusal: PooledProducerError | undefined
  #retryTimer: NodeJS.Timeout | undefined
  readonly #warnings = new Set<string>()

  constructor(options: EffectivePoolOptions, log: EventLog, events: EventHub<PoolEvents>, owner: ConnectionsOwner) {
    this.#log = log
    this.#events = events
    this.#owner = owner
    this.#failFastAfterMs = options.failFastAfterMs
    const nodes = options.broker.map((url) => parseBrokerUrl(url, options.credentials))
    this.all = Array.from(
      { length: options.connections },
      (_, index) => new Connection(index + 1, nodes, options, this),
    )
    this.consuming = new Connection(options.connections + 1, nodes, options, this)
  }

  get state(): ConnectionsState {
    if (this.all.some(({ state }) => state === 'open')) return 'open'
    if (this.all.some(({ isBlocked }) => isBlocked)) return 'blocked'
    return this.all.every(({ state }) => state === 'refused') ? 'refused' : 'connecting'
  }

  /** How many are open. */
  get open(): number {
    return [...this.all, this.consuming].filter(({ isOpen }) => isOpen).length
  }

  /** Why the last attempt failed, or the last connection was lost. */
  get lastError(): Error | undefined {
    return this.all.map(({ lastError }) => lastError).find((error) => error !== undefined)
  }

  connect(): void {
    for (const connection of this.all) connection.open()
  }

  /** When the same call may be worth another try, in milliseconds from now. */
  get retryAfterMs(): number {
    if (this.all.some(({ isOpen }) => isOpen)) return BUSY_RETRY_MS
    return Math.ceil(Math.max(SHORTEST_RETRY_MS, Math.min(...this.all.map(({ nextAttemptMs }) => nextAttemptMs))))
  }

  /** The broker's refusal, while it stands. Asking has it tried again, once the last attempt is old enough. */
  refusal(outcome?: Outcome): PooledProducerError | undefined {
    if (this.#refusal === undefined) return undefined
    this.connect()
    return repeated(this.#refusal, outcome, this.retryAfterMs)
  }

  /** Why waiting has become no use: the broker has been away, or blocking, for longer than is waited for. */
  outage(): PooledProducerError | undefined {
    if (this.#outageSince === undefined) return undefined
    const awayMs = performance.now() - this.#outageSince
    const { code, reason, cause, retryAfterMs } = this.#obstacle
    const text = `refused at once, for nothing could be sent for ${Math.round(awayMs)} ms: ${reason}`
    return new PooledProducerError(code, text, { outcome: 'not-sent', cause, retryAfterMs })
  }

  /** What stands in the way of a message; `otherwise` where the connections do not. */
  obstacle(otherwise: Omit<Obstacle, 'retryAfterMs'>): Obstacle {
    const isInTheWay = this.state === 'blocked' || this.state === 'connecting'
    return isInTheWay ? this.#obstacle : { ...otherwise, retryAfterMs: BUSY_RETRY_MS }
  }

  get #obstacle(): Obstacle {
    const { lastError: cause, retryAfterMs } = this
    if (this.state === 'blocked') {
      const reason = 'the broker has blocked the connection for want of memory or disk'
      return { code: 'ERR_BROKER_BLOCKED', reason, cause, retryAfterMs }
    }
    const reason = cause?.message ?? 'there is no connection yet'
    return { code: 'ERR_BROKER_UNAVAILABLE', reason, cause, retryAfterMs }
  }

  /** Resolves after `limitMs` at the latest. */
  async close(limitMs: number): Promise<void> {
    clearTimeout(this.#retryTimer)
    this.#patience.stop()
    await Promise.all([...this.all, this.consuming].map((connection) => connection.close(limitMs)))
  }

  opened(connection: Connection, { openMs, attempts }: { openMs: number; attempts: number }): void {
    const { id, broker } = connection
    // The one that consumes says nothing of those that publish: while these are refused, somebody must be told no.
    if (connection !== this.consuming) this.#refusal = undefined
    this.#noteState()
    this.#openRefused()
    this.#log.write('connection.open', { connection: id, broker, openMs, attempts })
    this.#owner.opened()
    this.#events.emit('connect', { connection: id, broker, openMs })
  }

  lost({ id, broker }: Connection, { reason, lifetimeMs }: { reason: string; lifetimeMs: number }): void {
    this.#noteState()
    this.#log.write('connection.close', { connection: id, broker, reason, lifetimeMs })
    this.#events.emit('disconnect', { connection: id, broker, reason })
  }

  retrying({ id }: Connection, details: { attempt: number; delayMs: number; error: Error }): void {
    this.#noteState()
    this.#log.write('connection.retry', { connection: id, ...details })
  }

  refused({ id }: Connection, error: PooledProducerError): void {
    this.#log.write('pool.warning', { connection: id, reason: error.message })
    if (this.state !== 'refused') return this.#openRefused()
    this.#refusal = repeated(error, undefined, this.retryAfterMs)
    this.#owner.refused(this.#refusal)
    this.#events.emit('refused', this.#refusal)
  }

  blocked({ id }: Connection, reason: string): void {
    this.#noteState()
    this.#log.write('connection.blocked', { connection: id, reason })
    this.#events.emit('blocked', { connection: id, reason })
  }

  /** Once, however many connections say it. */
  warned({ id }: Connection, reason: string): void {
    if (this.#warnings.has(reason)) return
    this.#warnings.add(reason)
    this.#log.write('pool.warning', { connection: id, reason })
  }

  unblocked(connection: Connection, blockedMs: number): void {
    this.#noteState()
    this.#log.write('connection.unblocked', { connection: connection.id, blockedMs })
    this.#owner.unblocked(connection)
    this.#events.emit('unblocked', { connection: connection.id, blockedMs })
  }

  /** While others are not refused nobody is told no, and so nobody asks for those that were: they are tried by the clock. */
  #openRefused(): void {
    clearTimeout(this.#retryTimer)
    if (this.state === 'refused') return
    const refused = [...this.all, this.consuming].filter(({ state }) => state === 'refused')
    for (const connection of refused) connection.open()
    const pauses = refused.filter(({ state }) => state === 'refused').map(({ nextAttemptMs }) => nextAttemptMs)
    if (pauses.length > 0) this.#retryTimer = setTimeout(() => this.#openRefused(), Math.min(...pauses)).unref()
  }

  #noteState(): void {
    if (this.state === 'open') {
      this.#awaySince = undefined
      this.#outageSince = undefined
      this.#patience.stop()
    } else if (this.#awaySince === undefined) {
      this.#awaySince = performance.now()
      if (this.#failFastAfterMs > 0) this.#patience.start(() => this.#noteOutage(), this.#failFastAfterMs)
    }
  }

  #noteOutage(): void {
    this.#outageSince = this.#awaySince
  }
}

/** The same refusal for another call: an error of its own, so that nobody sees another's task id. */
export function repeated(
  error: PooledProducerError,
  outcome?: Outcome,
  retryAfterMs: number | undefined = error.retryAfterMs,
): PooledProducerError {
  const { code, message, cause, retryable } = error
  return new PooledProducerError(code, message, { cause, retryable, retryAfterMs, outcome })
}
