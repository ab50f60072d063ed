import { backoffMs } from '../amqp/backoff.ts'
import type { Connection, RawChannel } from '../amqp/connection.ts'
import { withTimeLimit } from '../amqp/time-limit.ts'

/** Something that the broker must have before a message is published: a queue, say, or its bindings. */
export interface Declaration {
  /** What it is called in logs, e.g. `queue celery`; two with one name are the same thing. */
  readonly name: string
  /** The queue that it makes; a message that this queue did not take has it declared again. */
  readonly queue?: string
  /** The exchange that it makes or binds to; a message that this exchange could not place has it declared again. */
  readonly exchange?: string
  /** How long the broker may take, in milliseconds; then it is tried again on another channel. Default: 5,000. */
  readonly limitMs?: number
  /** What the broker must have before this, in order. Each is declared and, at worst, refused on its own. */
  readonly needs?: readonly Declaration[]
  /** Declares it; a second time does no harm. */
  declare(channel: RawChannel): Promise<unknown>
  /** Set by the pool: the broker has it, and gets it again after each reconnect. */
  isDeclared: boolean
}

type OnChannel = (run: (channel: DeclaringChannel) => Promise<void>) => Promise<void>

/** What a declaration needs of a channel. */
interface DeclaringChannel {
  readonly raw: RawChannel
  retire(reason: string): void
}

const LIMIT_MS = 5_000

/** What this pool has declared: once per connection, and again on each that is opened later. */
export class Declarations {
  /** Several apps on one pool have each their own of the same name. */
  readonly #known = new Set<Declaration>()
  readonly #running = new Map<string, Promise<void>>()
  /** The generation of each connection that has everything. */
  readonly #restored = new WeakMap<Connection, number>()
  readonly #warn: (reason: string) => void

  /** @param warn told once of each declaration that the broker refused. */
  constructor(warn: (reason: string) => void) {
    this.#warn = warn
  }

  /** Opens a channel on which everything known is declared, if this connection is a new one. */
  async restore(connection: Connection): Promise<RawChannel> {
    let channel = await connection.openChannel()
    if (this.#restored.get(connection) === connection.generation) return channel
    const { generation } = connection
    const byName = new Map([...this.#known].map((declaration) => [declaration.name, declaration]))
    for (const declaration of byName.values()) {
      try {
        if (!(await this.#run(declaration, channel))) channel = await connection.openChannel()
      } catch (error) {
        void close(channel)
        throw error
      }
    }
    this.#restored.set(connection, generation)
    return channel
  }

  /**
   * Declares on a channel of the pool, however often it is asked. What the broker refuses is used as it is,
   * after one warning: the queue exists with other arguments, or somebody else has to declare it.
   *
   * @param onChannel runs something with a channel, as soon as there is one, and takes the channel back.
   */
  once(declaration: Declaration, onChannel: OnChannel): Promise<void> {
    let running = this.#running.get(declaration.name)
    if (running === undefined) {
      running = this.#declare(declaration, onChannel).finally(() => this.#running.delete(declaration.name))
      this.#running.set(declaration.name, running)
    }
    return running
  }

  async #declare(declaration: Declaration, onChannel: OnChannel): Promise<void> {
    for (const needed of declaration.needs ?? []) await this.once(needed, onChannel)
    for (let attempt = 0; !declaration.isDeclared; attempt++) {
      // A channel may be lost once; what fails again and again must not cost a channel each time at full speed.
      if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt - 1)).unref())
      await onChannel((channel) => this.declareOn(declaration, channel))
    }
  }

  /** Declares on this channel; should it die under it, nothing is declared. Never rejects. */
  async declareOn(declaration: Declaration, channel: DeclaringChannel): Promise<void> {
    for (const needed of declaration.needs ?? []) {
      if (!needed.isDeclared) await this.declareOn(needed, channel)
    }
    try {
      await this.#run(declaration, channel.raw)
      declaration.isDeclared = true
      this.#known.add(declaration)
    } catch {
      channel.retire('a declaration was not answered')
    }
  }

  /**
   * What a message found missing at this place, the next publish declares again. False: it is none of ours.
   *
   * @param exchange empty: the default exchange, whose routing key is a queue's name.
   */
  forget(exchange: string, routingKey: string): boolean {
    let isOurs = false
    for (const declaration of this.#known) {
      if (exchange === '' ? declaration.queue !== routingKey : declaration.exchange !== exchange) continue
      this.#forget(declaration)
      isOurs = true
    }
    return isOurs
  }

  /** With what it needs: nobody can tell which of them is gone. */
  #forget(declaration: Declaration): void {
    declaration.isDeclared = false
    this.#known.delete(declaration)
    for (const needed of declaration.needs ?? []) this.#forget(needed)
  }

  /** False when the broker refused, and closed the channel. */
  async #run(declaration: Declaration, channel: RawChannel): Promise<boolean> {
    const { name, limitMs = LIMIT_MS } = declaration
    // amqplib rejects the operation, and emits the error too.
    const tooLate = () => new Error(`the broker did not answer the declaration of ${name} in ${limitMs} ms`)
    try {
      await withTimeLimit(declaration.declare(channel), limitMs, tooLate)
      return true
    } catch (error) {
      // Only a refusal carries AMQP's reply code; anything else is a lost channel.
      if (typeof (error as { code?: unknown }).code !== 'number') throw error
      if (!declaration.isDeclared) this.#warn(`${name} was not declared: ${(error as Error).message}`)
      return false
    }
  }
}

/** Nobody has the channel; one that is left open would be one less that the connection allows. */
async function close(channel: RawChannel): Promise<void> {
  try {
    await channel.close()
  } catch {
    // It went with its connection.
  }
}
