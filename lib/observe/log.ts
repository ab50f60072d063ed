import { pino } from 'pino'
import type { Logger } from '../options.ts'
import { EVENTS, type EventName } from './log-events.ts'
import { safeFields, withoutSecrets } from './log-fields.ts'
import { SENTENCES } from './log-sentences.ts'

export { EVENTS, type EventName }

let standardLogger: Logger | undefined

/** Writes the records of one pool: `{ level, time, pool, event, ...fields, msg }`. */
export class EventLog {
  readonly #logger: Logger | undefined
  readonly #pool: string

  /**
   * @param logger any logger with pino's methods; false writes nothing, undefined is pino at info to stdout.
   * @param pool the pool's name, which stands in every record.
   */
  constructor(logger: Logger | false | undefined, pool: string) {
    if (logger === undefined) standardLogger ??= pino()
    this.#logger = logger === false ? undefined : (logger ?? standardLogger)
    // A name made from the broker's URL would put its password into every record.
    this.#pool = withoutSecrets(pool)
  }

  /**
   * Writes one record, unless its level is off. It never throws: a log must not be the reason that a
   * publish fails.
   */
  write(event: EventName, fields: Record<string, unknown>): void {
    const logger = this.#logger
    if (logger === undefined) return
    try {
      const level = EVENTS[event]
      if (!isOn(logger, level)) return
      // Not through child(): a child keeps the level of its birth, and a level that is changed on a running
      // server must count here too. The line is the same.
      const record = { pool: this.#pool, event, ...safeFields(fields) }
      logger[level](record, SENTENCES[event](record))
    } catch {
      // There is nobody left to tell.
    }
  }

  /** Whether debug records would be written: ask before making their fields. */
  get isDebug(): boolean {
    try {
      return this.#logger !== undefined && isOn(this.#logger, 'debug')
    } catch {
      return false
    }
  }
}

/** A logger that cannot tell its level is given everything, and drops what it does not want. */
function isOn(logger: Logger, level: string): boolean {
  return logger.isLevelEnabled === undefined || logger.isLevelEnabled(level)
}
