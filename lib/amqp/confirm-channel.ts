import type { ConfirmChannel as RawChannel } from 'amqplib'
import type { PooledProducerError } from '../errors.ts'
import type { AckListener } from './ack-reader.ts'
import { isChannelClosed, readAcks } from './amqplib-internals.ts'
import { type CloseReason, findCulprit } from './channel-culprit.ts'
import {
  abandonedChannel,
  guiltyMessage,
  lostChannel,
  nacked,
  type ReturnedReply,
  suspectedMessages,
  unroutable,
} from './channel-errors.ts'
import { ConfirmClock } from './confirm-clock.ts'
import type { Connection } from './connection.ts'
import { Ledger } from './ledger.ts'
import { type MessageWriter, type WritableMessage, writerFor } from './message-writer.ts'
import { findReturned, type ReturnedMessage } from './returned-message.ts'
import { withTimeLimit } from './time-limit.ts'

/** A message on its way, and the mark that the channel leaves on it. */
export interface Outgoing extends WritableMessage {
  /** What the broker said when no queue took it. */
  returned: ReturnedReply | undefined
}

/** Who is told what becomes of a channel's messages. None of these may throw. */
export interface ChannelOwner<M extends Outgoing> {
  /** The broker has the message, `confirmMs` milliseconds after it was written. */
  confirmed(message: M, confirmMs: number, channel: ConfirmChannel<M>): void
  /** The broker has said no to this message, and to no other. */
  refused(message: M, error: PooledProducerError, channel: ConfirmChannel<M>): void
  /** The channel is gone; whether the broker has these messages is unknown. Oldest first. */
  orphaned(messages: M[], error: PooledProducerError, channel: ConfirmChannel<M>): void
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
 * One live confirm channel: it writes messages, knows each by its delivery tag until the broker has
 * answered, and tells its owner which message got which answer.
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
  readonly #clock: ConfirmClock
  #isOpen = true
  #isRetired = false
  #wasFull = false
  /** When the message that had waited longest was last answered. */
  #progressAt = 0
  #closeError: CloseReason | undefined
  #listeners: (() => void)[] = []
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
    this.#clock = new ConfirmClock(confirmTimeoutMs, {
      waitingSince: () => this.#waitingSince(),
      isExcused: () => this.connection.isBlocked,
      expired: () => void this.destroy(`no confirm in ${confirmTimeoutMs} ms`),
    })
    const answered: AckListener = (tag, multiple, isNack) => this.#settle(tag, multiple, isNack)
    if (!this.isFast || !readAcks(raw, answered)) {
      raw.on('ack', ({ deliveryTag, multiple }) => answered(deliveryTag, multiple, false))
      raw.on('nack', ({ deliveryTag, multiple }) => answered(deliveryTag, multiple, true))
    }
    raw.on('return', (message) => this.#markReturned(message as unknown as ReturnedMessage))
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
    return this.#isOpen && this.#ledger.span >= this.#settings.maxInFlight
  }

  /** Resolves once no message is in flight, the channel's end included. */
  async whenEmpty(): Promise<void> {
    while (this.#isOpen && this.#ledger.size > 0) await this.whenRelieved()
  }

  /** Resolves at the next change for the better, or at the channel's end. */
  whenRelieved(): Promise<void> {
    return new Promise((resolve) => this.#listeners.push(resolve))
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
    // amqplib leaves a close unanswered when the connection ends under it.
    const closed = new Promise<void>((resolve) => this.#raw.once('close', () => resolve()))
    const closing = Promise.race([this.#raw.close(), closed])
    // With nothing in flight nobody waits, and a broker that is slow is not dead: other channels must not pay for it.
    const limitMs = this.#ledger.size > 0 ? CLOSE_LIMIT_MS : Math.max(CLOSE_LIMIT_MS, this.#settings.confirmTimeoutMs)
    this.#orphan(abandonedChannel(this.closeReason))
    try {
      await withTimeLimit(closing, limitMs, () => new Error('the broker did not answer the close of a channel'))
    } catch (error) {
      // A blocked broker answers nothing, and is not broken.
      if (this.#isOpen && !this.connection.isBlocked) this.connection.abort(error as Error)
    }
    this.#finish()
  }

  #settle(tag: number, multiple: boolean, isNack: boolean): void {
    const now = performance.now()
    const { head } = this.#ledger
    this.#writer.answered()
    if (multiple) {
      for (let message = this.#ledger.takeUpTo(tag); message !== undefined; message = this.#ledger.takeUpTo(tag)) {
        this.#answer(message, isNack, now)
      }
    } else {
      const message = this.#ledger.take(tag)
      if (message !== undefined) this.#answer(message, isNack, now)
    }
    if (this.#ledger.head > head) this.#progressAt = now
    this.#afterSettling()
  }

  #answer(message: M, isNack: boolean, now: number): void {
    const { template, returned } = message
    this.#writer.settled(message)
    if (returned !== undefined) this.#owner.refused(message, unroutable(template, returned), this)
    else if (isNack) this.#owner.refused(message, nacked(template), this)
    else this.#owner.confirmed(message, now - this.#ledger.takenAt, this)
  }

  #afterSettling(): void {
    const isEmpty = this.#ledger.size === 0
    if (isEmpty && this.#isRetired) void this.#close()
    else if (isEmpty || (this.#wasFull && this.#ledger.span <= this.#refillAt)) this.#relieve()
  }

  #relieve(): void {
    this.#wasFull = false
    this.#callListeners()
    this.#owner.relieved(this)
  }

  #callListeners(): void {
    if (this.#listeners.length === 0) return
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  #noRoom(): number {
    this.#wasFull = true
    return 0
  }

  /** The socket takes more again, or the broker reads again after an alarm. */
  wake(): void {
    if (this.#isOpen) this.#relieve()
  }

  #markReturned(returned: ReturnedMessage): void {
    const { replyCode, replyText } = returned.fields
    const message = findReturned(returned, this.#ledger)
    if (message !== undefined) message.returned = { replyCode, replyText }
  }

  #waitingSince(): number | undefined {
    if (this.#ledger.size === 0 || !this.#isOpen) return undefined
    // Over a slow link a whole window takes longer than its first message may: it is the oldest whose time runs, and
    // only since it became that.
    return Math.max(this.#ledger.oldestAt, this.#progressAt, this.connection.readingSince)
  }

  #orphan(error: PooledProducerError): void {
    const messages = this.#ledger.clear()
    if (messages.length > 0) this.#owner.orphaned(messages, error, this)
  }

  /** The channel is closed, by whomever: its messages are sorted into the guilty one and the innocent. */
  #finish(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#clock.stop()
    const reason = this.#closeError
    if (reason === undefined) {
      this.#orphan(lostChannel(this.connection.lastError))
    } else {
      this.closeReason = reason.message
      this.#blame(reason)
    }
    this.#callListeners()
    this.#owner.closed(this)
  }

  #blame(reason: CloseReason): void {
    const messages = this.#ledger.clear()
    const culprit = findCulprit(reason, messages)
    const [guilty] = culprit === undefined || culprit < 0 ? [] : messages.splice(culprit, 1)
    if (guilty !== undefined) this.#owner.refused(guilty, guiltyMessage(reason), this)
    if (messages.length === 0) return
    this.#owner.orphaned(messages, culprit === undefined ? suspectedMessages(reason) : lostChannel(reason), this)
  }
}
