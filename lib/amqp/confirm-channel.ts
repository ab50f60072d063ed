import type { ConfirmChannel as RawChannel } from 'amqplib'
import type { AckListener } from './ack-reader.ts'
import { isChannelClosed, readAcks } from './amqplib-internals.ts'
import { Bell } from './bell.ts'
import type { CloseReason } from './channel-culprit.ts'
import { abandonedChannel, lostChannel } from './channel-errors.ts'
import { closedChannel } from './closed-channel.ts'
import { ConfirmClock } from './confirm-clock.ts'
import type { Connection } from './connection.ts'
import { Ledger } from './ledger.ts'
import { MessageOutcomes, type OutcomeOwner, type Outgoing } from './message-outcomes.ts'
import { type MessageWriter, writerFor } from './message-writer.ts'
import type { ReturnedMessage } from './returned-message.ts'

/** Who is told what becomes of a channel and its messages. None of these may throw. */
export interface ChannelOwner<M extends Outgoing> extends OutcomeOwner<M, ConfirmChannel<M>> {
  /** There is room again after there was none, or every message is settled. */
  relieved(channel: ConfirmChannel<M>): void
  /** Once, when the channel is closed for whatever reason. */
  closed(channel: ConfirmChannel<M>): void
}

export interface ChannelSettings {
  readonly maxInFlight: number
  readonly confirmTimeoutMs: number
  readonly fastPath: boolean
}

/** A close over messages without an answer is not answered any more when it has not been in this time. */
const CLOSE_LIMIT_MS = 1_000

/**
 * One live confirm channel: it writes messages while there is room, enters each in its ledger until the broker has
 * answered, and ends once, however it is closed.
 */
export class ConfirmChannel<M extends Outgoing> {
  readonly id: number
  readonly connection: Connection
  readonly openedAt: number = performance.now()
  /** Messages written in its life. */
  publishes = 0
  /** Leases in its life. */
  leases = 0
  /** Why it was, or is to be, closed. */
  closeReason = 'connection lost'
  readonly #raw: RawChannel
  readonly #owner: ChannelOwner<M>
  readonly #settings: ChannelSettings
  readonly #refillAt: number
  readonly #ledger = new Ledger<M>()
  readonly #writer: MessageWriter
  readonly #outcomes: MessageOutcomes<M, ConfirmChannel<M>>
  readonly #clock: ConfirmClock
  readonly #relief = new Bell()
  #isOpen = true
  #isRetired = false
  #wasFull = false
  #closeError: CloseReason | undefined
  #closing: Promise<void> | undefined

  /** @throws {Error} the channel was closed before its end could be heard. */
  constructor(id: number, raw: RawChannel, connection: Connection, owner: ChannelOwner<M>, settings: ChannelSettings) {
    if (isChannelClosed(raw)) throw new Error('the channel was closed as it was opened')
    this.id = id
    this.connection = connection
    this.#raw = raw
    this.#owner = owner
    this.#settings = settings
    // A full window is filled again once a quarter is free: a write for each ack would cost ten times as much.
    this.#refillAt = Math.floor(settings.maxInFlight * 0.75)
    const { fastPath, confirmTimeoutMs } = settings
    this.#writer = writerFor(raw, { fastPath, frameMax: connection.frameMax }, () => this.wake())
    this.#outcomes = new MessageOutcomes(this.#ledger, this.#writer, owner, this)
    this.#clock = new ConfirmClock(confirmTimeoutMs, {
      waitingSince: () => this.#waitingSince(),
      isExcused: () => this.connection.isBlocked,
      expired: () => void this.destroy(`no confirm in ${confirmTimeoutMs} ms`),
    })
    const answered: AckListener = (tag, multiple, isNack) => {
      this.#outcomes.settle(tag, multiple, isNack)
      this.#afterSettling()
    }
    if (!this.isFast || !readAcks(raw, answered)) {
      raw.on('ack', ({ deliveryTag, multiple }) => answered(deliveryTag, multiple, false))
      raw.on('nack', ({ deliveryTag, multiple }) => answered(deliveryTag, multiple, true))
    }
    raw.on('return', (message) => this.#outcomes.markReturned(message as unknown as ReturnedMessage))
    raw.on('error', (error) => {
      this.#closeError = error
    })
    raw.on('close', () => this.#finish())
  }

  /** amqplib's channel below, for what is not a publish. Its `publish` would miss the ledger. */
  get raw(): RawChannel {
    return this.#raw
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Open, and not about to be closed. */
  get isUsable(): boolean {
    return this.#isOpen && !this.#isRetired
  }

  /** Whether frames are encoded ahead here. */
  get isFast(): boolean {
    return this.#writer.isFast
  }

  /** Whether a tracer has replaced amqplib's `publish` since this channel was opened. */
  get isBypassed(): boolean {
    return this.#writer.isBypassed
  }

  get inFlight(): number {
    return this.#ledger.size
  }

  /** How many more messages may be written now. */
  get room(): number {
    if (!this.isUsable || this.#writer.isCongested || this.connection.isBlocked) return this.#noRoom()
    const room = this.#settings.maxInFlight - this.#ledger.span
    return room > 0 ? room : this.#noRoom()
  }

  /** Whether only its window keeps it from taking more: another channel would. */
  get isFull(): boolean {
    return this.#ledger.span >= this.#settings.maxInFlight
  }

  /** Resolves once no message is in flight, the channel's end included. */
  async whenEmpty(): Promise<void> {
    while (this.#ledger.size > 0) await this.whenRelieved()
  }

  /** Resolves at the next change for the better, or at the channel's end. */
  whenRelieved(): Promise<void> {
    return this.#relief.next()
  }

  /**
   * Writes a message, which leaves with the next {@link flush}. Ask {@link room} first.
   *
   * @throws {PooledProducerError} ERR_MESSAGE_TOO_LARGE or ERR_INVALID_OPTION: nothing was written, the
   *   channel is unharmed.
   */
  write(message: M, now: number): void {
    this.#writer.write(message)
    message.returned = undefined
    this.#ledger.add(message, now)
    this.publishes++
    this.#clock.start()
  }

  /** Sends what was written, in one piece. */
  flush(): void {
    // After a close, frames on the channel would end the connection.
    if (this.#isOpen && this.#closing === undefined) this.#writer.flush()
  }

  /** Takes no more messages, and closes once those in flight are settled. */
  retire(reason: string): void {
    if (!this.isUsable) return
    this.#isRetired = true
    this.closeReason = reason
    if (this.#ledger.size === 0) void this.#close()
  }

  /** Closes now; messages in flight are orphaned. Resolves when the channel is gone, and never rejects. */
  async destroy(reason: string): Promise<void> {
    if (!this.#isOpen) return
    this.closeReason = reason
    this.#isRetired = true
    await this.#close()
  }

  /** Nothing can be known of the messages in flight any more: they are handed back at once. */
  #close(): Promise<void> {
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async #closeOnce(): Promise<void> {
    // With nothing in flight nobody waits, and a broker that is slow is not dead: other channels must not pay for it.
    const limitMs = this.#ledger.size > 0 ? CLOSE_LIMIT_MS : Math.max(CLOSE_LIMIT_MS, this.#settings.confirmTimeoutMs)
    const closed = closedChannel(this.#raw, limitMs)
    this.#outcomes.orphan(abandonedChannel(this.closeReason))
    try {
      await closed
    } catch (error) {
      // A blocked broker answers nothing, and is not broken.
      if (this.#isOpen && !this.connection.isBlocked) this.connection.abort(error as Error)
    }
    this.#finish()
  }

  #afterSettling(): void {
    const isEmpty = this.#ledger.size === 0
    if (isEmpty && this.#isRetired) void this.#close()
    else if (isEmpty || (this.#wasFull && this.#ledger.span <= this.#refillAt)) this.#relieve()
  }

  #relieve(): void {
    this.#wasFull = false
    this.#relief.ring()
    this.#owner.relieved(this)
  }

  #noRoom(): number {
    this.#wasFull = true
    return 0
  }

  /** The socket takes more again, or the broker reads again after an alarm. */
  wake(): void {
    if (this.#isOpen) this.#relieve()
  }

  #waitingSince(): number | undefined {
    if (this.#ledger.size === 0) return undefined
    // Over a slow link a whole window takes longer than its first message may: it is the oldest whose time runs, and
    // only since it became that.
    return Math.max(this.#ledger.oldestAt, this.#outcomes.progressAt, this.connection.readingSince)
  }

  /** The channel is closed, by whomever. */
  #finish(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#clock.stop()
    const reason = this.#closeError
    if (reason === undefined) {
      this.#outcomes.orphan(lostChannel(this.connection.lastError))
    } else {
      this.closeReason = reason.message
      this.#outcomes.blame(reason)
    }
    this.#relief.ring()
    this.#owner.closed(this)
  }
}
