const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)$/i

/**
 * A point in time as Python's `datetime.isoformat` spells it in UTC, for example
 * `2026-11-22T05:02:44.872356+00:00`; without a fraction when that is 0. Workers that read times with
 * Python's own parser refuse `Z` before Python 3.11.
 *
 * @param ms milliseconds since 1970, a whole number; the year has four digits.
 * @param micros microseconds beyond these, 0 to 999.
 */
export function isoFormat(ms: number, micros = 0): string {
  const second = Math.floor(ms / 1_000)
  return spelled(spelledSecond(second), `${(ms - second * 1_000) * 1_000 + micros}`.padStart(6, '0'))
}

// A Date and its text take 1 us. Tasks of one second ask for the same few, again in each of its milliseconds.
const KEPT = 16
const keptSeconds = new Float64Array(KEPT).fill(Number.NaN)
const keptTexts: string[] = new Array(KEPT).fill('')

function spelledSecond(second: number): string {
  const place = second & (KEPT - 1)
  if (keptSeconds[place] !== second) {
    keptTexts[place] = new Date(second * 1_000).toISOString().slice(0, 19)
    keptSeconds[place] = second
  }
  return keptTexts[place] as string
}

/**
 * The same time as {@link isoFormat} spells it, when the text is an ISO 8601 date and time with a zone.
 * Digits beyond the microsecond are dropped.
 */
export function isoToUtc(text: string): string | undefined {
  const match = ISO.exec(text)
  if (match === null) return undefined
  const [, day, minute, second = '00', fraction = '', zone = ''] = match
  const local = Date.parse(`${day}T${minute}:${second}Z`)
  const offset = offsetMs(zone)
  // A day that its month has not, such as February 30, is read as one of the next month.
  if (Number.isNaN(local) || offset === undefined || !new Date(local).toISOString().startsWith(`${day}`))
    return undefined
  const utc = new Date(local - offset).toISOString()
  // Python's years are 1 to 9999.
  const isInRange = utc.length === 24 && !utc.startsWith('0000')
  return isInRange ? spelled(utc.slice(0, 19), fraction.slice(0, 6).padEnd(6, '0')) : undefined
}

function offsetMs(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(-2)) * (zone.length > 3 ? 1 : 0)
  if (hours > 23 || minutes > 59) return undefined
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

function spelled(seconds: string, micros: string): string {
  return micros === '000000' ? `${seconds}+00:00` : `${seconds}.${micros}+00:00`
}
