import { EVENTS, type EventName } from './log-events.ts'

/** A record of ours as it was read; nothing in `fields` has been checked. */
export interface LogRecord {
  readonly event: EventName
  readonly pool: string
  readonly pid: number | undefined
  readonly hostname: string | undefined
  /** Milliseconds since 1970, where the line has a time that makes sense. */
  readonly timeMs: number | undefined
  readonly fields: Readonly<Record<string, unknown>>
}

/** Why a line was passed over: no JSON at all, JSON of somebody else, or JSON that lacks its beginning or its end. */
export type SkipReason = 'notJson' | 'otherRecords' | 'truncated'

/**
 * The record in a line, or why there is none; undefined for a blank line. Text before the first brace is
 * passed over, since `docker compose logs` and others put a name or a time there.
 */
export function readLogLine(line: string): LogRecord | SkipReason | undefined {
  // Parsing is nine tenths of the time that a line takes, and most lines of a server's log are not ours.
  if (!line.includes('"event":')) return otherLine(line.trim())
  const start = line.indexOf('{')
  let record: unknown
  try {
    record = JSON.parse(start > 0 ? line.slice(start) : line)
  } catch {
    return start >= 0 && line.trimEnd().endsWith('}') ? 'notJson' : 'truncated'
  }
  if (typeof record !== 'object' || record === null) return 'notJson'
  const fields = record as Record<string, unknown>
  const { event, pool, pid, hostname, time } = fields
  if (typeof pool !== 'string' || typeof event !== 'string' || !Object.hasOwn(EVENTS, event)) return 'otherRecords'
  return {
    event: event as EventName,
    pool,
    pid: typeof pid === 'number' ? pid : undefined,
    hostname: typeof hostname === 'string' ? hostname : undefined,
    timeMs: timeOf(time),
    fields,
  }
}

function otherLine(line: string): SkipReason | undefined {
  if (line === '') return undefined
  const start = line.indexOf('{')
  const hasEnd = line.endsWith('}')
  if (start < 0) return hasEnd ? 'truncated' : 'notJson'
  if (hasEnd && line.startsWith('{"', start)) return 'otherRecords'
  return start === 0 ? 'truncated' : 'notJson'
}

/** When a line was written, in milliseconds since 1970, whoever wrote it; undefined when it does not say. */
export function lineTimeMs(line: string): number | undefined {
  try {
    const record: unknown = JSON.parse(line)
    return timeOf((record as { time?: unknown } | null)?.time)
  } catch {
    return undefined
  }
}

const YEAR_2000 = Date.UTC(2000)
const YEAR_2100 = Date.UTC(2100)

/** pino writes milliseconds; with `timestamp: stdTimeFunctions.isoTime` a date, with `unixTime` seconds. */
function timeOf(time: unknown): number | undefined {
  const given = typeof time === 'string' ? Date.parse(time) : time
  if (typeof given !== 'number') return undefined
  const timeMs = given < YEAR_2100 / 1_000 ? given * 1_000 : given
  return timeMs >= YEAR_2000 && timeMs < YEAR_2100 ? timeMs : undefined
}
