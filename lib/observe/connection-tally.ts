import type { LogRecord } from './log-line.ts'
import { amountOf, textOf } from './log-values.ts'

/** What the lines say of a pool's connections. */
export interface ConnectionFigures {
  /** Times a connection was opened again after it had been open before. */
  readonly reconnects: number
  /** Attempts to connect that failed. */
  readonly connectionRetries: number
  /** Times the broker blocked a connection, and for how long in all. */
  readonly blocked: number
  readonly blockedMs: number
}

/** Connections told apart at most. */
const MAX_CONNECTIONS = 1_000

/** Counts what happened to the connections of one pool. */
export class ConnectionTally {
  readonly #known = new Set<string>()
  /** Opened again, and no line since that shows whose they are: this pool's, or those of the one that replaced it. */
  #unsettled: string[] = []
  #figures = { reconnects: 0, connectionRetries: 0, blocked: 0, blockedMs: 0 }

  add({ event, fields }: LogRecord): void {
    const id = textOf(fields.connection) ?? '?'
    switch (event) {
      case 'connection.open':
        if (this.#known.has(id)) {
          this.#figures.reconnects += 1
          this.#unsettled.push(id)
        }
        this.#know(id)
        break
      case 'connection.close':
        // It may have been opened before this log began.
        this.#know(id)
        this.settle()
        break
      case 'connection.retry':
        this.#figures.connectionRetries += 1
        break
      case 'connection.blocked':
        this.#figures.blocked += 1
        break
      case 'connection.unblocked':
        this.#figures.blockedMs += amountOf(fields.blockedMs) ?? 0
    }
  }

  /** A line has shown that the connections opened again were this pool's own. */
  settle(): void {
    if (this.#unsettled.length > 0) this.#unsettled = []
  }

  /** A line has shown that another pool took the place of `previous`: its last connections were that pool's first. */
  takeOver(previous: ConnectionTally): void {
    previous.#figures.reconnects -= previous.#unsettled.length
    for (const id of previous.#unsettled) this.#know(id)
    previous.settle()
  }

  result(): ConnectionFigures {
    return this.#figures
  }

  #know(id: string): void {
    if (this.#known.size < MAX_CONNECTIONS) this.#known.add(id)
  }
}
