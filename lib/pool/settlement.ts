import { Bell } from '../amqp/bell.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import { AbortWatch } from './abort-watch.ts'
import { abortedPublish } from './admission.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { Obstacle } from './connection-set.ts'
import { Deadlines } from './deadlines.ts'
import type { PendingPublish } from './pending-publish.ts'
import type { PublishLog } from './publish-log.ts'
import type { Counters } from './stats.ts'

/**
 * Gives every accepted publish its one outcome: confirmed, failed, aborted or expired, whichever comes first.
 * Whatever comes later finds it settled.
 */
export class Settlement {
  readonly #counters: Counters
  readonly #log: PublishLog
  readonly #obstacle: () => Obstacle
  readonly #deadlines: Deadlines = new Deadlines((publish) => this.#expire(publish))
  readonly #signals = new AbortWatch()
  readonly #allSettled = new Bell()

  /** @param obstacle why a publish that was never written has waited in vain. */
  constructor(counters: Counters, log: PublishLog, obstacle: () => Obstacle) {
    this.#counters = counters
    this.#log = log
    this.#obstacle = obstacle
  }

  /** From now on it counts, and its time runs. */
  accept(publish: PendingPublish, timeoutMs: number, signal: AbortSignal | undefined, now: number): void {
    const counters = this.#counters
    counters.publishes++
    counters.unsettled++
    counters.bufferedBytes += publish.bytes
    this.#deadlines.add(publish, timeoutMs, now)
    if (signal !== undefined && !signal.aborted) this.#listen(publish, signal)
  }

  confirm(publish: PendingPublish, confirmMs: number, channel: PooledChannel): void {
    if (publish.isSettled) return
    this.#settle(publish)
    this.#counters.confirms++
    this.#counters.confirmMs.record(confirmMs)
    publish.resolve(publish.results?.resultOf(publish.values[0] as string) ?? receipt(publish, channel, confirmMs))
    if (this.#log.isDebug) this.#log.confirmed(publish, channel, confirmMs)
  }

  /** A rejection that nobody awaits does not end the process. */
  fail(publish: PendingPublish, error: PooledProducerError): void {
    if (publish.isSettled) return
    this.#settle(publish)
    this.#counters.countFailure(error.code)
    const { taskId } = publish
    if (taskId !== undefined) Object.assign(error, { taskId })
    void quiet(publish.promise)
    publish.reject(error)
    this.#log.failed(publish, error)
  }

  /** What is wrong before it is a publish is logged and counted as one that failed. */
  refuse(error: PooledProducerError, task: string | undefined, taskId: string | undefined): Promise<never> {
    this.#counters.publishes++
    this.#counters.countFailure(error.code)
    Object.assign(error, { outcome: 'not-sent' }, taskId === undefined ? {} : { taskId })
    this.#log.refused(error, task, taskId)
    return quiet(Promise.reject(error))
  }

  failAll(error: (publish: PendingPublish) => PooledProducerError): void {
    for (const publish of [...this.#deadlines]) this.fail(publish, error(publish))
  }

  /** Resolves once every accepted publish has its outcome. */
  whenSettled(): Promise<void> {
    if (this.#counters.unsettled === 0) return Promise.resolve()
    return this.#allSettled.next()
  }

  stop(): void {
    this.#deadlines.stop()
  }

  #listen(publish: PendingPublish, signal: AbortSignal): void {
    const abort = () => this.fail(publish, abortedPublish(signal, outcomeOf(publish)))
    publish.unlisten = this.#signals.watch(signal, abort)
  }

  #expire(publish: PendingPublish): void {
    const waitedMs = Math.round(performance.now() - publish.deadline + (publish.lane?.timeoutMs ?? 0))
    const { code, reason, cause, retryAfterMs } = this.#obstacle()
    const outcome = outcomeOf(publish)
    // One that is in a line again after a fault was written, but is not on its way.
    if (publish.place === undefined && publish.attempts > 0) {
      const times = publish.attempts === 1 ? 'once' : `${publish.attempts} times`
      const text = `no confirm in ${waitedMs} ms (written ${times})`
      this.fail(publish, new PooledProducerError('ERR_PUBLISH_TIMEOUT', text, { outcome, cause, retryAfterMs }))
    } else {
      const text = `not ${publish.attempts === 0 ? 'sent' : 'confirmed'} in ${waitedMs} ms: ${reason}`
      this.fail(publish, new PooledProducerError(code, text, { outcome, cause, retryAfterMs, retryable: true }))
    }
  }

  #settle(publish: PendingPublish): void {
    publish.isSettled = true
    publish.place?.noteSettled()
    publish.place = undefined
    publish.unlisten?.()
    this.#deadlines.remove(publish)
    const counters = this.#counters
    counters.bufferedBytes -= publish.bytes
    if (--counters.unsettled === 0) this.#allSettled.ring()
  }
}

/** What is known of a message that gets no answer any more. */
export function outcomeOf(publish: PendingPublish): 'not-sent' | 'unknown' {
  return publish.attempts === 0 ? 'not-sent' : 'unknown'
}

function receipt(publish: PendingPublish, channel: PooledChannel, confirmMs: number): object {
  const { taskId, attempts } = publish
  return { ...(taskId === undefined ? {} : { taskId }), channel: channel.id, attempts, confirmMs }
}
