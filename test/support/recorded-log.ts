import type { EventName } from '../../lib/observe/log-events.ts'
import type { Logger } from '../../lib/options.ts'

/** A record as it was given to the logger. */
export interface LogRecord {
  readonly level: string
  readonly event: EventName
  readonly [field: string]: unknown
}

/** A logger that keeps what it is given. */
export class RecordedLog implements Logger {
  readonly records: LogRecord[] = []
  readonly #least: 'debug' | 'info'

  /** @param least the level from which on records are made; debug makes several per publish. */
  constructor(least: 'debug' | 'info' = 'debug') {
    this.#least = least
  }

  isLevelEnabled(level: string): boolean {
    return level !== 'debug' || this.#least === 'debug'
  }

  debug(fields: object): void {
    this.#keep('debug', fields)
  }

  info(fields: object): void {
    this.#keep('info', fields)
  }

  warn(fields: object): void {
    this.#keep('warn', fields)
  }

  error(fields: object): void {
    this.#keep('error', fields)
  }

  /** The records of one event, in their order. */
  of(event: EventName): LogRecord[] {
    return this.records.filter((record) => record.event === event)
  }

  #keep(level: string, fields: object): void {
    this.records.push({ level, ...fields } as LogRecord)
  }
}
