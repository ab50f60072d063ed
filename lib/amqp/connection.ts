import type { ChannelModel, Channel as PlainChannel, ConfirmChannel as RawChannel } from 'amqplib'
import { asError, PooledProducerError } from '../errors.ts'
import { channelMaxOf, destroySocket, frameMaxOf, isBlocked, isClosed } from './amqplib-internals.ts'
import { backoffMs } from './backoff.ts'
import type { BrokerAddress } from './broker-url.ts'
import type { ConnectSettings } from './connect-attempt.ts'
import { type ConnectionState, checkMove } from './connection-state.ts'
import { Dialler } from './dialler.ts'
import { earlyErrorOf } from './handshake-guard.ts'
import { openedChannel } from './opened-channel.ts'
import { withTimeLimit } from './time-limit.ts'

/** amqplib's own channels: with confirms, for what is not a publish; and without, for consuming. */
export type { PlainChannel, RawChannel }

/** Who is told what becomes of a connection. None of these may throw. */
export interface ConnectionOwner {
  opened(connection: Connection, details: { openMs: number; attempts: number }): void
  lost(connection: Connection, details: { reason: string; lifetimeMs: number }): void
  retrying(connection: Connection, details: { attempt: number; delayMs: number; error: Error }): void
  refused(connection: Connection, error: PooledProducerError): void
  blocked(connection: Connection, reason: string): void
  unblocked(connection: Connection, blockedMs: number): void
  /** Something that somebody should change. */
  warned(connection: Connection, reason: string): void
}

/** A connection lost sooner counts as a failed attempt: a broker that accepts and drops must not be hammered. */
const STABLE_MS = 1_000

/**
 * One live connection to a broker: it opens, opens again when it is lost, and says why when it cannot. Which node is
 * tried when is the dialler's.
 */
export class Connection {
  readonly id: number
  /** Counts the times that it was opened. */
  generation = 0
  /** Why the last attempt failed, or the last connection was lost; undefined while it is open. */
  lastError: Error | undefined
  /** When the broker last began to read after an alarm, in milliseconds of `performance.now()`. */
  readingSince = 0
  readonly #settings: ConnectSettings
  readonly #owner: ConnectionOwner
  readonly #dialler: Dialler
  #state: ConnectionState = 'idle'
  #model: ChannelModel | undefined
  #shortLives = 0
  #openedAt = 0
  #blockedAt = 0

  constructor(id: number, nodes: readonly BrokerAddress[], settings: ConnectSettings, owner: ConnectionOwner) {
    this.id = id
    this.#settings = settings
    this.#owner = owner
    this.#dialler = new Dialler(id, nodes, settings, {
      connected: (model) => this.#listen(model),
      opened: (model, details) => this.#opened(model, details),
      retrying: (details) => {
        this.lastError = details.error
        owner.retrying(this, details)
      },
      refused: (error) => {
        this.lastError = error
        this.#move('refused')
        owner.refused(this, error)
      },
      warned: (reason) => owner.warned(this, reason),
    })
  }

  get state(): ConnectionState {
    return this.#state
  }

  get isOpen(): boolean {
    return this.#state === 'open' || this.#state === 'blocked'
  }

  /** Whether the broker has stopped reading for want of memory or disk. */
  get isBlocked(): boolean {
    return this.#state === 'blocked'
  }

  /** The node in use or tried next, without a password. */
  get broker(): string {
    return this.#dialler.broker
  }

  /** The largest frame agreed on, in bytes. */
  get frameMax(): number | undefined {
    return this.#model === undefined ? undefined : frameMaxOf(this.#model)
  }

  /** The most channels agreed on. */
  get channelMax(): number | undefined {
    return this.#model === undefined ? undefined : channelMaxOf(this.#model)
  }

  /** Milliseconds until the next attempt to connect; 0: it is under way, or there is no need of one. */
  get nextAttemptMs(): number {
    if (this.#state === 'refused') return this.#dialler.pauseMs
    return this.#state === 'connecting' ? this.#dialler.nextAttemptMs : 0
  }

  /** Begins to connect, unless it has begun, or was refused a moment ago. */
  open(): void {
    if ((this.#state === 'idle' || this.#state === 'refused') && !this.#dialler.isExhausted) {
      this.#move('connecting')
      this.#dialler.start()
    }
  }

  /**
   * A new confirm channel of amqplib's.
   *
   * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE, with the cause.
   */
  openChannel(): Promise<RawChannel> {
    return this.#openChannel((model) => model.createConfirmChannel())
  }

  /**
   * A new channel of amqplib's without confirms.
   *
   * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE, with the cause.
   */
  openPlainChannel(): Promise<PlainChannel> {
    return this.#openChannel((model) => model.createChannel())
  }

  async #openChannel<C extends PlainChannel>(create: (model: ChannelModel) => Promise<C>): Promise<C> {
    const model = this.#model
    if (model === undefined) throw this.#unavailable('it is not connected')
    try {
      return await openedChannel(create(model), this.#settings.connectTimeoutMs, (error) => {
        // A blocked broker answers nothing, and is not broken; any other silence is the connection's.
        if (this.#model === model && !this.isBlocked) this.abort(error)
      })
    } catch (cause) {
      throw this.#unavailable(asError(cause).message, cause)
    }
  }

  /** Drops the connection as if the network had, so that it is opened anew. */
  abort(reason: Error): void {
    if (this.#model !== undefined) destroySocket(this.#model, reason)
  }

  /** Closes for good. Resolves when it is closed, `limitMs` at the latest, and never rejects. */
  async close(limitMs: number): Promise<void> {
    if (this.#state === 'closing' || this.#state === 'closed') return
    const model = this.#model
    this.#move('closing')
    this.#dialler.stop()
    if (model !== undefined) {
      // amqplib never answers when the connection is lost while it closes.
      const closed = Promise.race([model.close(), new Promise<void>((resolve) => model.once('close', () => resolve()))])
      // Answered or not, its socket is ended below.
      await withTimeLimit(closed, limitMs, Error).catch(ignore)
      this.#lose('closed by the pool')
    }
    this.#move('closed')
  }

  /** Attached before anything else can run: an `error` that nobody listens for ends the process. */
  #listen(model: ChannelModel): ChannelModel {
    model.on('error', (error) => {
      if (this.#model === model) this.lastError = error
    })
    model.on('close', (error) => {
      if (this.#model !== model) return
      // A close by an operator, or a shutdown, comes without an error event.
      if (error !== undefined) this.lastError = error
      if (this.isOpen) this.#reopen(this.lastError?.message ?? 'closed by the broker')
    })
    model.on('blocked', (reason) => {
      if (this.#model === model) this.#block(reason)
    })
    model.on('unblocked', () => {
      if (this.#model === model && this.#state === 'blocked') this.#unblock()
    })
    const early = earlyErrorOf(model)
    if (early === undefined && !isClosed(model)) return model
    const error = early ?? new Error('the broker closed the connection as it opened it')
    // amqplib may still wait for the other side's answer to its own close.
    destroySocket(model, error)
    throw error
  }

  #opened(model: ChannelModel, details: { openMs: number; attempts: number }): void {
    this.#model = model
    this.#openedAt = performance.now()
    this.generation++
    this.lastError = undefined
    this.#move('open')
    this.#owner.opened(this, details)
    // Said in one piece with open-ok, nobody has heard it.
    if (isBlocked(model)) this.#block('an alarm of the broker, from before the connection was opened')
  }

  #block(reason: string): void {
    if (this.#state !== 'open') return
    this.#blockedAt = performance.now()
    this.#move('blocked')
    this.#owner.blocked(this, reason)
  }

  #unblock(): void {
    this.readingSince = performance.now()
    this.#move('open')
    this.#owner.unblocked(this, this.readingSince - this.#blockedAt)
  }

  #reopen(reason: string): void {
    this.#shortLives = performance.now() - this.#openedAt < STABLE_MS ? this.#shortLives + 1 : 0
    this.#move('connecting')
    this.#lose(reason)
    this.#dialler.goOn(this.#shortLives === 0 ? 0 : backoffMs(this.#shortLives))
  }

  #lose(reason: string): void {
    // amqplib only ends its side, which leaves the socket half open when the broker is blocked or gone.
    this.abort(new Error(reason))
    this.#model = undefined
    this.#owner.lost(this, { reason, lifetimeMs: performance.now() - this.#openedAt })
  }

  #unavailable(reason: string, cause: unknown = this.lastError): PooledProducerError {
    return new PooledProducerError('ERR_BROKER_UNAVAILABLE', `no channel on ${this.broker}: ${reason}`, { cause })
  }

  #move(next: ConnectionState): void {
    checkMove(this.#state, next)
    this.#state = next
  }
}

function ignore(): void {}
