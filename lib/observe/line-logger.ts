import { pino } from 'pino'
import type { Logger } from '../options.ts'

/** A pino logger at level info whose lines, without their line breaks, go to `onLine` instead of a file. */
export function lineLogger(onLine: (line: string) => void): Logger {
  return pino({ level: 'info' }, { write: (line) => onLine(line.trimEnd()) })
}
