import type { Connection, RawChannel } from '../amqp/connection.ts'
import { withTimeLimit } from '../amqp/time-limit.ts'

/** Something that the broker must have before a message is published: a queue, say, with its bindings. */
export interface Declaration {
  /** What it is called in logs, e.g. `queue celery`; two with one name are the same thing. */
  readonly name: string
  /** Declares it; a second time does no harm. */
  declare(channel: RawChannel): Promise<unknown>
  /** Set by the pool: the broker has it, and gets it again after each reconnect. */
  isDeclared: boolean
}

/** A declaration that the broker does not answer in this time is tried again on another channel. */
const LIMIT_MS = 5_000

/** What this pool has declared: once per connection, and again on each that is opened later. */
export class Declarations {
  readonly #known = new Map<string, Declaration>()
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
    for (const declaration of this.#known.values()) {
      if (!(await this.#run(declaration, channel))) channel = await connection.openChannel()
    }
    this.#restored.set(connection, generation)
    return channel
  }

  /**
   * Declares on a channel of the pool. What the broker refuses is used as it is, after one warning: the
   * queue exists with other arguments, or somebody else has to declare it.
   */
  async add(declaration: Declaration, channel: RawChannel): Promise<void> {
    await this.#run(declaration, channel)
    declaration.isDeclared = true
    this.#known.set(declaration.name, declaration)
  }

  /** The broker does not have it any more: the next publish declares it again. */
  forget(declaration: Declaration): void {
    declaration.isDeclared = false
    this.#known.delete(declaration.name)
  }

  /** False when the broker refused, and closed the channel. */
  async #run(declaration: Declaration, channel: RawChannel): Promise<boolean> {
    // amqplib rejects the operation, and emits the error too.
    const tooLate = () =>
      new Error(`the broker did not answer the declaration of ${declaration.name} in ${LIMIT_MS} ms`)
    try {
      await withTimeLimit(declaration.declare(channel), LIMIT_MS, tooLate)
      return true
    } catch (error) {
      // Only a refusal carries AMQP's reply code; anything else is a lost channel.
      if (typeof (error as { code?: unknown }).code !== 'number') throw error
      if (!declaration.isDeclared) this.#warn(`${declaration.name} was not declared: ${(error as Error).message}`)
      return false
    }
  }
}
