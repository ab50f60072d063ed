import { AsyncResource } from 'node:async_hooks'
import type { PooledProducerError } from '../errors.ts'
import { type PublishTrace, TRACES, traced } from '../observe/traces.ts'
import { type AdmissionSettings, admission } from './admission.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { ChannelPool } from './channel-pool.ts'
import type { Declaration } from './declarations.ts'
import { Parking } from './parking.ts'
import { PendingPublish } from './pending-publish.ts'
import type { PublishLog } from './publish-log.ts'
import { PublishQueue } from './publish-queue.ts'
import type { Prepared, PublishLimits, ResultMaker } from './publish-request.ts'
import type { Settlement } from './settlement.ts'
import type { Counters } from './stats.ts'
import { isChannelGone, unwritten } from './unwritten.ts'

export interface DispatcherSettings extends AdmissionSettings {
  readonly name: string
  readonly publishTimeoutMs: number
}

/** What the dispatcher asks of its pool. */
export interface DispatcherHost {
  /** Why nothing can be published now, and waiting is no use. */
  refusal(): PooledProducerError | undefined
  /** Resolves once the broker has it; never rejects, and waits for ever if need be. */
  declare(declaration: Declaration): Promise<void>
}

/**
 * Takes publishes without a lease of the caller's: it leases a channel once per turn of the event loop,
 * writes what has come together, and gives the channel back at once. Confirms arrive later, and what they mean is the
 * arbiter's.
 */
export class Dispatcher {
  readonly #channels: () => ChannelPool
  readonly #host: DispatcherHost
  readonly #settings: DispatcherSettings
  readonly #counters: Counters
  readonly #log: PublishLog
  readonly #queue: PublishQueue
  readonly #settlement: Settlement
  readonly #parking: Parking
  /** Whether callers' contexts are kept: only amqplib's public publish has a use for them, and until a channel is open nobody knows. */
  keepsContext = true
  #turn = 0
  #isScheduled = false
  #isPumping = false
  #isWoken = false

  constructor(
    channels: () => ChannelPool,
    host: DispatcherHost,
    settings: DispatcherSettings,
    counters: Counters,
    settlement: Settlement,
    log: PublishLog,
  ) {
    this.#channels = channels
    this.#host = host
    this.#settings = settings
    this.#counters = counters
    this.#settlement = settlement
    this.#log = log
    this.#queue = this.newQueue()
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

  /**
   * Accepts a publish, or rejects it at once. The promise never ends the process, awaited or not.
   *
   * @param declaration what the broker must have first.
   * @param enqueue puts it into a line of the caller's; by default into the dispatcher's own.
   */
  submit(
    prepared: Prepared,
    results: ResultMaker | undefined,
    options: PublishLimits | undefined,
    declaration: Declaration | undefined,
    enqueue?: (publish: PendingPublish) => void,
  ): Promise<unknown> {
    const publish = new PendingPublish(prepared.template, prepared.values, prepared.body, results)
    if (!TRACES.publish.hasSubscribers) return this.#accept(publish, options, declaration, enqueue)
    const context = { pool: this.#settings.name, ...traceOf(publish) }
    return traced(TRACES.publish, context, () => this.#accept(publish, options, declaration, enqueue))
  }

  /** Rejects what is wrong before it is a publish; logged and counted as one that failed. */
  refuse(error: PooledProducerError): Promise<never> {
    return this.#settlement.refuse(error, undefined, undefined)
  }

  #accept(
    publish: PendingPublish,
    options: PublishLimits | undefined,
    declaration: Declaration | undefined,
    enqueue: ((publish: PendingPublish) => void) | undefined,
  ): Promise<unknown> {
    const turn = this.#isScheduled ? this.#turn : this.#beginTurn()
    const { timeoutMs = this.#settings.publishTimeoutMs, signal } = options ?? NO_OPTIONS
    // The clock is read once a turn, unless a limit of the caller's own may be short.
    const now = options?.timeoutMs === undefined ? turn : performance.now()
    this.#settlement.accept(publish, timeoutMs, signal, now)
    if (options?.resending !== undefined) publish.resending = options.resending
    if (this.keepsContext) publish.context = new AsyncResource('PooledProducerPublish')
    const refusal = this.#host.refusal() ?? admission(publish, this.#counters, this.#settings, signal)
    if (refusal !== undefined) {
      this.#settlement.fail(publish, refusal)
      return publish.promise
    }
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

  /** Writes as much of a line as a channel takes, in one piece; or all of it, whatever its window. */
  fill(channel: PooledChannel, line: PublishQueue, isAll = false): void {
    if (channel.isBypassed) {
      this.keepsContext = true
      channel.retire('publish was replaced by a tracer')
    }
    const now = performance.now()
    while (isAll ? channel.isUsable : channel.room > 0) {
      const publish = line.shift()
      if (publish === undefined) break
      this.write(channel, publish, now)
    }
    channel.flush()
  }

  /** Writes one publish, whatever the channel's window; the channel is flushed by whoever asks. */
  write(channel: PooledChannel, publish: PendingPublish, now: number): void {
    try {
      // A tracer's publish runs in the context of whoever called: it begins its span there.
      if (channel.isFast || publish.context === undefined) channel.write(publish, now)
      else publish.context.runInAsyncScope(() => channel.write(publish, now))
      publish.attempts++
    } catch (error) {
      if (!isChannelGone(error)) return this.#settlement.fail(publish, unwritten(publish, error))
      channel.retire(error.message)
      this.adopt([publish])
    }
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
    this.#log.beginTurn()
    const channels = this.#channels()
    const held: PooledChannel[] = []
    do {
      // To wait with a channel in hand would keep others from it.
      if (held.length > 0 && channels.idle === 0) break
      const askedAt = performance.now()
      const channel = channels.takeNow() ?? (await channels.take())
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
    if (!this.#isWoken) return
    this.#isWoken = false
    this.wake()
  }

  #leased(channel: PooledChannel, waitMs: number): number {
    const reused = channel.leases++ > 0
    const lease = this.#counters.countLease(this.#channels().leased, waitMs)
    if (this.#log.isDebug) this.#log.leased(channel, lease, reused, waitMs)
    return lease
  }
}

function traceOf(publish: PendingPublish): Omit<PublishTrace, 'pool'> {
  const { task, taskId, body } = publish
  const { exchange, routingKey } = publish.template.fields
  return { exchange, routingKey, task, taskId, bytes: Buffer.byteLength(body) }
}

const NO_OPTIONS: PublishLimits = Object.freeze({})
