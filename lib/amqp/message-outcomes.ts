import type { PooledProducerError } from '../errors.ts'
import { type CloseReason, findCulprit } from './channel-culprit.ts'
import {
  guiltyMessage,
  lostChannel,
  nacked,
  type ReturnedReply,
  suspectedMessages,
  unroutable,
} from './channel-errors.ts'
import type { Ledger } from './ledger.ts'
import type { MessageWriter, WritableMessage } from './message-writer.ts'
import { findReturned, type ReturnedMessage } from './returned-message.ts'

/** A message on its way, and the mark that the channel leaves on it. */
export interface Outgoing extends WritableMessage {
  /** What the broker said when no queue took it. */
  returned: ReturnedReply | undefined
}

/** Who is told what becomes of the messages of a channel. None of these may throw. */
export interface OutcomeOwner<M, Channel> {
  /** The broker has the message, `confirmMs` milliseconds after it was written. */
  confirmed(message: M, confirmMs: number, channel: Channel): void
  /** The broker has said no to this message, and to no other. */
  refused(message: M, error: PooledProducerError, channel: Channel): void
  /** The channel is gone; whether the broker has these messages is unknown. Oldest first. */
  orphaned(messages: M[], error: PooledProducerError, channel: Channel): void
}

/** Takes the messages of one channel out of its ledger, and tells which got which answer, or that there will be none. */
export class MessageOutcomes<M extends Outgoing, Channel> {
  /** When the message that had waited longest was last answered, in milliseconds of `performance.now()`. */
  progressAt = 0
  readonly #ledger: Ledger<M>
  readonly #writer: MessageWriter
  readonly #owner: OutcomeOwner<M, Channel>
  readonly #channel: Channel

  constructor(ledger: Ledger<M>, writer: MessageWriter, owner: OutcomeOwner<M, Channel>, channel: Channel) {
    this.#ledger = ledger
    this.#writer = writer
    this.#owner = owner
    this.#channel = channel
  }

  /** The broker has answered, for one message or for all up to it. */
  settle(tag: number, multiple: boolean, isNack: boolean): void {
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
    if (this.#ledger.head > head) this.progressAt = now
  }

  #answer(message: M, isNack: boolean, now: number): void {
    const { template, returned } = message
    this.#writer.settled(message)
    if (returned !== undefined) this.#owner.refused(message, unroutable(template, returned), this.#channel)
    else if (isNack) this.#owner.refused(message, nacked(template), this.#channel)
    else this.#owner.confirmed(message, now - this.#ledger.takenAt, this.#channel)
  }

  /** No queue took a message; its ack comes next. */
  markReturned(returned: ReturnedMessage): void {
    const { replyCode, replyText } = returned.fields
    const message = findReturned(returned, this.#ledger)
    if (message !== undefined) message.returned = { replyCode, replyText }
  }

  /** Nothing can be known any more of the messages without an answer. */
  orphan(error: PooledProducerError): void {
    const messages = this.#ledger.clear()
    if (messages.length > 0) this.#owner.orphaned(messages, error, this.#channel)
  }

  /** The broker has closed the channel: its messages are sorted into the guilty one and the innocent. */
  blame(reason: CloseReason): void {
    const messages = this.#ledger.clear()
    const culprit = findCulprit(reason, messages)
    if (culprit !== undefined && culprit.index >= 0) {
      const [guilty] = messages.splice(culprit.index, 1) as [M]
      this.#owner.refused(guilty, guiltyMessage(reason, culprit.isCertain), this.#channel)
    }
    if (messages.length === 0) return
    const error = culprit === undefined ? suspectedMessages(reason) : lostChannel(reason)
    this.#owner.orphaned(messages, error, this.#channel)
  }
}
