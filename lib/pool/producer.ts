import type { Message } from '../amqp/message.ts'
import { PooledProducerError, quiet } from '../errors.ts'
import type { PooledChannel } from './channel-factory.ts'
import type { Declaration, Declarations } from './declarations.ts'
import type { Dispatcher } from './dispatcher.ts'
import { Parking } from './parking.ts'
import type { PendingPublish, Receipt } from './pending-publish.ts'
import { prepare } from './prepared-message.ts'
import type { PublishQueue } from './publish-queue.ts'
import type { Prepared, PublishLimits, PublishOptions, ResultMaker } from './publish-request.ts'

/**
 * A lease of one channel. Messages go out in the order of publishing; the channel is nobody else's until
 * `release`. Should the channel die, the lease lives on, and its messages take another.
 */
export class Producer implements AsyncDisposable {
  /** The lease's number in its pool, as in the logs. */
  readonly lease: number
  /** Milliseconds of `performance.now()`. */
  readonly acquiredAt: number = performance.now()
  readonly #channel: PooledChannel
  readonly #dispatcher: Dispatcher
  readonly #release: (producer: Producer) => void
  readonly #line: PublishQueue
  readonly #parking: Parking
  /** For which the last of those that are parked waits: what comes later waits behind it, to keep its place. */
  #parkedLast: Declaration | undefined
  /** Ends when what was declared last is. */
  #declaring: Promise<void> = Promise.resolve()
  readonly #publishesBefore: number
  #publishesAtEnd: number | undefined
  #isScheduled = false
  #isReleased = false

  constructor(
    lease: number,
    channel: PooledChannel,
    dispatcher: Dispatcher,
    declarations: Declarations,
    release: (producer: Producer) => void,
  ) {
    this.lease = lease
    this.#channel = channel
    this.#dispatcher = dispatcher
    this.#release = release
    this.#publishesBefore = channel.publishes
    this.#line = dispatcher.newQueue()
    // On its own channel: the pool may have no other. And in turn, so that nothing is overtaken.
    this.#parking = new Parking(
      (declaration) => {
        this.#declaring = this.#declaring.then(() => declarations.declareOn(declaration, channel))
        return this.#declaring
      },
      (publishes, declaration) => this.#takeBack(publishes, declaration),
      () => dispatcher.newQueue(),
    )
  }

  get isReleased(): boolean {
    return this.#isReleased
  }

  /** The pool's number of the leased channel, as in the logs. */
  get channelId(): number {
    return this.#channel.id
  }

  /** How many messages this lease has written. */
  get publishes(): number {
    return (this.#publishesAtEnd ?? this.#channel.publishes) - this.#publishesBefore
  }

  /**
   * Publishes a message. Resolves once the broker has confirmed it.
   *
   * @throws {PooledProducerError} rejects with ERR_PRODUCER_RELEASED, ERR_INVALID_OPTION, and all that
   *   `pool.publish` rejects with.
   */
  publish(message: Message, options?: PublishOptions): Promise<Receipt> {
    try {
      return this.send(prepare(message, options), undefined, options) as Promise<Receipt>
    } catch (error) {
      return this.#dispatcher.refuse(error as PooledProducerError)
    }
  }

  /** @internal Publishes what was checked already; resolves with a result, or with a receipt. */
  send(
    prepared: Prepared,
    results: ResultMaker | undefined,
    options?: PublishLimits,
    declaration?: Declaration,
  ): Promise<unknown> {
    if (this.#isReleased) {
      throw new PooledProducerError(
        'ERR_PRODUCER_RELEASED',
        `lease ${this.lease} was released; acquire another producer`,
        {
          outcome: 'not-sent',
        },
      )
    }
    if (!this.#channel.isUsable) return this.#dispatcher.submit(prepared, results, options, declaration)
    return this.#dispatcher.submit(prepared, results, options, undefined, (publish) => {
      this.#enqueue(publish, declaration)
      this.wake()
    })
  }

  /** @internal Whether it is a lease of the pool that has this dispatcher. */
  isOf(dispatcher: Dispatcher): boolean {
    return this.#dispatcher === dispatcher
  }

  /** Gives the channel back; what was published is still confirmed. A second release is ERR_NOT_LEASED. */
  release(): void {
    this.#release(this)
  }

  /** Releases, unless it is released already; it never closes the channel. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isReleased) this.release()
  }

  /** @internal The channel has room again, or is gone. */
  wake(): void {
    if (this.#isScheduled || this.#line.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#write()
    })
  }

  /** @internal Writes all that waits, beyond the window if need be: something else goes out on the channel next. */
  flush(): void {
    if (this.#channel.isUsable) this.#dispatcher.fill(this.#channel, this.#line, true)
  }

  /** @internal Writes what waits, hands the rest to the pool, and gives the channel. */
  end(): PooledChannel {
    this.#isReleased = true
    this.#write()
    this.#publishesAtEnd = this.#channel.publishes
    this.#handOver()
    return this.#channel
  }

  /** @internal The leased channel. */
  get channel(): PooledChannel {
    return this.#channel
  }

  #enqueue(publish: PendingPublish, declaration: Declaration | undefined): void {
    const isMissing = declaration !== undefined && !declaration.isDeclared
    const place = isMissing && !this.#parking.isHolding(declaration) ? declaration : this.#parkedLast
    this.#parkedLast = place
    if (place === undefined) this.#line.push(publish)
    else this.#parking.hold(publish, place)
  }

  /** Their queue is declared, or the channel is gone, and another declares it. */
  #takeBack(publishes: PendingPublish[], declaration: Declaration): void {
    if (this.#parkedLast === declaration) this.#parkedLast = undefined
    if (!declaration.isDeclared) return this.#dispatcher.park(publishes, declaration)
    if (this.#isReleased || !this.#channel.isUsable) return this.#dispatcher.adopt(publishes)
    for (const publish of publishes) this.#line.push(publish)
    this.wake()
  }

  #write(): void {
    if (this.#channel.isUsable) this.#dispatcher.fill(this.#channel, this.#line)
    if (!this.#channel.isUsable) this.#handOver()
  }

  #handOver(): void {
    this.#dispatcher.adopt(this.#line.takeAll())
  }
}

/** What a call throws becomes a rejection, and one that nobody awaits does not end the process. */
export function rejecting<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return quiet(Promise.reject(error))
  }
}
