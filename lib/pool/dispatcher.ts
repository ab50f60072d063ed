import { isSuspicion } from '../amqp/channel-errors.ts'
import type { ChannelOwner } from '../amqp/confirm-channel.ts'
import type { PublishTemplate } from '../amqp/publish-template.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import type { EventLog } from '../observe/log.ts'
import { type AdmissionSettings, abortedPublish, admission } from './admission.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { Obstacle } from './connection-set.ts'
import { Deadlines } from './deadlines.ts'
import type { Declaration } from './declarations.ts'
import { NackPolicy } from './nack-policy.ts'
import { Parking } from './parking.ts'
import { PendingPublish } from './pending-publish.ts'
import { PublishLog } from './publish-log.ts'
import { PublishQueue } from './publish-queue.ts'
import type { Counters } from './stats.ts'
import { Suspects } from './suspects.ts'

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

export interface DispatcherSettings extends AdmissionSettings {
  readonly publishTimeoutMs: number
}

/** What the dispatcher asks of its pool. */
export interface DispatcherHost {
  /** Why nothing can be published now, and waiting is no use. */
  refusal(): PooledProducerError | undefined
  /** Why a publish that was never written has waited in vain: a code and its cause. */
  obstacle(): Obstacle
  /** The lease that a channel is in, woken when the channel has room again. */
  relieved(channel: PooledChannel): void
  closed(channel: PooledChannel): void
  /** Resolves once the broker has it; never rejects, and waits for ever if need be. */
  declare(declaration: Declaration): Promise<void>
  /** A queue that the pool declared is gone; false when the pool did not declare it. */
  forgetQueue(queue: string): boolean
}

/**
 * Takes publishes without a lease of the caller's: it leases a channel once per turn of the event loop,
 * writes what has come together, and gives the channel back at once; confirms arrive later. It keeps each
 * publish until its outcome, and sends it again when a fault leaves it open.
 */
export class Dispatcher implements ChannelOwner<PendingPublish> {
  readonly #channels: () => ChannelPool
  readonly #host: DispatcherHost
  readonly #settings: DispatcherSettings
  readonly #counters: Counters
  readonly #log: PublishLog
  readonly #queue: PublishQueue
  readonly #suspects: Suspects
  readonly #deadlines: Deadlines = new Deadlines((publish) => this.#expire(publish))
  readonly #parking: Parking
  readonly #nacks = new NackPolicy()
  #idleListeners: (() => void)[] = []
  #turn = 0
  #isScheduled = false
  #isPumping = false
  #isWoken = false

  constructor(
    channels: () => ChannelPool,
    host: DispatcherHost,
    settings: DispatcherSettings,
    counters: Counters,
    log: EventLog,
  ) {
    this.#channels = channels
    this.#host = host
    this.#settings = settings
    this.#counters = counters
    this.#log = new PublishLog(log)
    this.#queue = this.newQueue()
    this.#suspects = new Suspects(this.newQueue(), (channel, publish) =>
      this.#write(channel, publish, performance.now()),
    )
    this.#parking = new Parking(
      (declaration) => this.#host.declare(declaration),
      (publishes) => this.adopt(publishes),
      () => this.newQueue(),
    )
  }

  /** A line of publishes that counts with the others. */
  newQueue(): PublishQueue {
    return new PublishQueue(this.#counters)
  }

  /** Publishes that wait to be written. */
  get waiting(): number {
    return this.#counters.waiting
  }

  /** All publishes that have no outcome yet. */
  get unsettled(): Iterable<PendingPublish> {
    return this.#deadlines
  }

  /**
   * Accepts a publish, or rejects it at once. The promise never ends the process, awaited or not.
   *
   * @param declaration what the broker must have first.
   * @param enqueue puts it into a line of the caller's; by default into the dispatcher's own.
   */
  submit(
    prepared: Prepared,
    result: unknown,
    options: PublishOptions | undefined,
    declaration: Declaration | undefined,
    enqueue?: (publish: PendingPublish) => void,
  ): Promise<unknown> {
    const publish = new PendingPublish(prepared.template, prepared.values, prepared.body, result)
    const counters = this.#counters
    counters.publishes++
    const now = this.#isScheduled ? this.#turn : this.#beginTurn()
    counters.unsettled++
    counters.bufferedBytes += publish.bytes
    const refusal = this.#host.refusal() ?? admission(publish, counters, this.#settings, options?.signal)
    if (refusal !== undefined) {
      this.#fail(publish, refusal)
      return publish.promise
    }
    this.#deadlines.add(publish, options?.timeoutMs ?? this.#settings.publishTimeoutMs, now)
    if (options?.signal !== undefined) this.#listen(publish, options.signal)
    if (enqueue !== undefined) {
      enqueue(publish)
    } else if (declaration !== undefined && !declaration.isDeclared) {
      this.#parking.hold(publish, declaration)
    } else {
      this.#queue.push(publish)
      this.wake()
    }
    return publish.promise
  }

  /** Takes publishes that were in another line; they go before those that came later. */
  adopt(publishes: readonly PendingPublish[]): void {
    this.#queue.pushFront(publishes.filter((publish) => !publish.isSettled))
    this.wake()
  }

  /** Takes publishes whose queue could not be declared where they were. */
  park(publishes: readonly PendingPublish[], declaration: Declaration): void {
    for (const publish of publishes) this.#parking.hold(publish, declaration)
  }

  /** Something has changed that may let waiting publishes go. */
  wake(): void {
    if (this.#isPumping) this.#isWoken = true
    else if (!this.#isScheduled && this.#queue.length > 0) this.#beginTurn()
  }

  /** Writes as much of a line as a channel takes, in one piece. */
  fill(channel: PooledChannel, line: PublishQueue): void {
    if (channel.isBypassed) channel.retire('publish was replaced by a tracer')
    const now = performance.now()
    while (channel.room > 0) {
      const publish = line.shift()
      if (publish === undefined) break
      this.#write(channel, publish, now)
    }
    channel.flush()
  }

  /** Resolves once every accepted publish has its outcome. */
  whenSettled(): Promise<void> {
    if (this.#counters.unsettled === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleListeners.push(resolve))
  }

  /** Rejects every publish that has no outcome yet. */
  rejectAll(error: (publish: PendingPublish) => PooledProducerError): void {
    for (const publish of [...this.#deadlines]) this.#fail(publish, error(publish))
  }

  stop(): void {
    this.#deadlines.stop()
  }

  confirmed(publish: PendingPublish, confirmMs: number, channel: PooledChannel): void {
    if (publish.isSettled) return
    this.#settle(publish)
    this.#counters.confirms++
    this.#counters.confirmMs.record(confirmMs)
    if (publish.result === undefined) publish.resolve(this.#receipt(publish, channel, confirmMs))
    else publish.resolve(publish.result)
    if (this.#log.isDebug) this.#log.confirmed(publish, channel, confirmMs)
  }

  refused(publish: PendingPublish, error: PooledProducerError, channel: PooledChannel): void {
    if (publish.isSettled) return
    if (error.code === 'ERR_UNROUTABLE') this.#countReturn(publish, error)
    const pauseMs = error.code === 'ERR_NACKED' ? this.#nacks.judge(publish, channel) : undefined
    if (pauseMs === undefined) return this.#fail(publish, error)
    this.#counters.retries++
    this.#log.retried([publish], error)
    if (pauseMs === 0) this.adopt([publish])
    else setTimeout(() => this.adopt([publish]), pauseMs).unref()
  }

  orphaned(publishes: PendingPublish[], error: PooledProducerError): void {
    const open = publishes.filter((publish) => !publish.isSettled)
    this.#counters.retries += open.length
    this.#log.retried(open, error)
    if (isSuspicion(error)) this.#suspects.add(open, this.#channels())
    else this.adopt(open)
  }

  relieved(channel: PooledChannel): void {
    this.#host.relieved(channel)
    this.wake()
  }

  closed(channel: PooledChannel): void {
    this.#host.closed(channel)
  }

  /** What is wrong before it is a publish is logged and counted as one that failed. */
  refuse(error: PooledProducerError, task: string | undefined, taskId: string | undefined): Promise<never> {
    this.#counters.publishes++
    this.#counters.failures++
    if (taskId !== undefined) Object.assign(error, { taskId })
    this.#log.refused(error, task, taskId)
    return quiet(Promise.reject(error))
  }

  #countReturn(publish: PendingPublish, error: PooledProducerError): void {
    this.#counters.returns++
    const { exchange, routingKey } = publish.template.fields
    // Declared by the pool, it is declared again by the next publish, which can work then.
    if (exchange === '' && this.#host.forgetQueue(routingKey)) Object.assign(error, { retryable: true })
  }

  #beginTurn(): number {
    this.#isScheduled = true
    this.#turn = performance.now()
    setImmediate(() => {
      this.#isScheduled = false
      void this.#pump()
    })
    return this.#turn
  }

  /** One lease, or as many as there are windows to fill; all given back before the next event. */
  async #pump(): Promise<void> {
    if (this.#isPumping || this.#queue.length === 0) return
    this.#isPumping = true
    this.#isWoken = false
    this.#log.beginTurn()
    const channels = this.#channels()
    const held: PooledChannel[] = []
    do {
      // To wait with a channel in hand would keep others from it.
      if (held.length > 0 && channels.idle === 0) break
      const askedAt = performance.now()
      const channel = await channels.take()
      held.push(channel)
      const lease = this.#leased(channel, performance.now() - askedAt)
      const before = channel.publishes
      this.fill(channel, this.#queue)
      if (this.#log.isDebug) this.#log.released(channel, lease, performance.now() - askedAt, channel.publishes - before)
    } while (this.#queue.length > 0)
    const isEveryWindowFull = this.#queue.length > 0 && held.every((channel) => channel.isFull)
    this.#isPumping = false
    // Asked while all are held, so that it is a new one that comes.
    if (isEveryWindowFull && channels.canGrow) channels.grow()
    for (const channel of held) channels.give(channel)
    if (this.#isWoken) this.wake()
  }

  #leased(channel: PooledChannel, waitMs: number): number {
    const reused = channel.leases++ > 0
    const lease = this.#counters.countLease(this.#channels().leased, waitMs)
    if (this.#log.isDebug) this.#log.leased(channel, lease, reused, waitMs)
    return lease
  }

  #write(channel: PooledChannel, publish: PendingPublish, now: number): void {
    try {
      channel.write(publish, now)
      publish.attempts++
    } catch (error) {
      this.#fail(publish, unwritten(error))
    }
  }

  #listen(publish: PendingPublish, signal: AbortSignal): void {
    const abort = () => this.#fail(publish, abortedPublish(signal, outcomeOf(publish)))
    signal.addEventListener('abort', abort, { once: true })
    publish.unlisten = () => signal.removeEventListener('abort', abort)
  }

  #expire(publish: PendingPublish): void {
    const waitedMs = Math.round(performance.now() - publish.deadline + (publish.lane?.timeoutMs ?? 0))
    const { code, reason, cause } = this.#host.obstacle()
    const outcome = outcomeOf(publish)
    // One that is in a line again after a fault was written, but is not on its way.
    if (publish.place === undefined && publish.attempts > 0) {
      const text = `no confirm in ${waitedMs} ms (written ${publish.attempts === 1 ? 'once' : `${publish.attempts} times`})`
      this.#fail(publish, new PooledProducerError('ERR_PUBLISH_TIMEOUT', text, { outcome, cause }))
    } else {
      const text = `not ${publish.attempts === 0 ? 'sent' : 'confirmed'} in ${waitedMs} ms: ${reason}`
      this.#fail(publish, new PooledProducerError(code, text, { outcome, cause, retryable: true }))
    }
  }

  #fail(publish: PendingPublish, error: PooledProducerError): void {
    if (publish.isSettled) return
    this.#settle(publish)
    this.#counters.failures++
    const { taskId } = publish
    if (taskId !== undefined) Object.assign(error, { taskId })
    quiet(publish.promise)
    publish.reject(error)
    this.#log.failed(publish, error)
  }

  #settle(publish: PendingPublish): void {
    publish.isSettled = true
    publish.place?.noteSettled()
    publish.place = undefined
    publish.unlisten?.()
    this.#deadlines.remove(publish)
    const counters = this.#counters
    counters.bufferedBytes -= publish.bytes
    if (--counters.unsettled === 0 && this.#idleListeners.length > 0) {
      const listeners = this.#idleListeners
      this.#idleListeners = []
      for (const listener of listeners) listener()
    }
  }

  #receipt(publish: PendingPublish, channel: PooledChannel, confirmMs: number): object {
    const { taskId, attempts } = publish
    return { ...(taskId === undefined ? {} : { taskId }), channel: channel.id, attempts, confirmMs }
  }
}

/** What is known of a message that gets no answer any more. */
export function outcomeOf(publish: PendingPublish): 'not-sent' | 'unknown' {
  return publish.attempts === 0 ? 'not-sent' : 'unknown'
}

/** What amqplib's encoder, or ours, has against a message: it stays unwritten. */
function unwritten(error: unknown): PooledProducerError {
  if (error instanceof PooledProducerError) return error
  const code = error instanceof RangeError ? 'ERR_MESSAGE_TOO_LARGE' : 'ERR_INVALID_OPTION'
  const reason = error instanceof Error ? error.message : String(error)
  return new PooledProducerError(code, `the message cannot be encoded: ${reason}`, {
    cause: error,
    outcome: 'not-sent',
  })
}
