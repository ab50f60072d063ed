import type { PooledProducerError } from '../errors.ts'
import type { EventLog } from '../observe/log.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { PendingPublish } from './pending-publish.ts'

/** After this many, the messages of one fault are logged as a number. */
const RETRIES_LOGGED_EACH = 10

/** What the log says of publishes. */
export class PublishLog {
  /** Whether the records of single confirms and turns are wanted; looked up once a turn. */
  isDebug = false
  readonly #log: EventLog

  constructor(log: EventLog) {
    this.#log = log
  }

  beginTurn(): void {
    this.isDebug = this.#log.isDebug
  }

  leased(channel: PooledChannel, lease: number, reused: boolean, waitMs: number): void {
    this.#log.write('channel.acquire', { channel: channel.id, lease, reused, waitMs })
  }

  released(channel: PooledChannel, lease: number, heldMs: number, publishes: number): void {
    this.#log.write('channel.release', { channel: channel.id, lease, heldMs, publishes })
  }

  confirmed(publish: PendingPublish, channel: PooledChannel, confirmMs: number): void {
    const { taskId, task, attempts, body } = publish
    const { routingKey } = publish.template.fields
    const bytes = Buffer.byteLength(body)
    this.#log.write('publish.confirm', { channel: channel.id, taskId, task, routingKey, bytes, confirmMs, attempts })
  }

  /** These are sent again, all for the same reason. */
  retried(publishes: readonly PendingPublish[], error: PooledProducerError): void {
    const { code } = error
    for (const { taskId, task, attempts } of publishes.slice(0, RETRIES_LOGGED_EACH)) {
      this.#log.write('publish.retry', { taskId, task, code, attempt: attempts, outcome: 'unknown' })
    }
    const more = publishes.length - RETRIES_LOGGED_EACH
    if (more > 0) this.#log.write('publish.retry', { code, more, outcome: 'unknown' })
  }

  failed(publish: PendingPublish, error: PooledProducerError): void {
    this.refused(error, publish.task, publish.taskId, publish.attempts)
  }

  /** Of a publish that failed, or that was wrong before it was one. */
  refused(error: PooledProducerError, task: string | undefined, taskId: string | undefined, attempt = 0): void {
    const { code, outcome } = error
    this.#log.write('publish.fail', { taskId, task, code, attempt, outcome, error })
  }
}
