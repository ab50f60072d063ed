import { isBinary, isDate } from './json-types.ts'

/** Celery's bound on the two representations (`AMQP.argsrepr_maxsize` and `kwargsrepr_maxsize`). */
const MAX_LENGTH = 1_024
/** Containers below this level are spelled `[...]` and `{...}`. */
const MAX_LEVELS = 3

/**
 * The `argsrepr` header: how Python spells a task's positional arguments, a tuple. A worker shows it in
 * its log and Flower shows it to everybody: mask secrets with the `argsrepr` option.
 */
export function argsRepr(args: readonly unknown[]): string {
  const text = new PythonText(MAX_LENGTH, MAX_LEVELS)
  text.writeList(args, '(', args.length === 1 ? ',)' : ')', 0)
  return wellFormed(text.text)
}

/** The `kwargsrepr` header: how Python spells a task's keyword arguments, a dict. */
export function kwargsRepr(kwargs: Readonly<Record<string, unknown>>): string {
  // Most calls have none.
  if (Object.keys(kwargs).length === 0) return '{}'
  const text = new PythonText(MAX_LENGTH, MAX_LEVELS)
  text.writeDict(kwargs, 0)
  return wellFormed(text.text)
}

/**
 * How Celery spells a JSON value for its logs: as Python's `repr`, cut after about `maxLength` characters
 * and `maxLevels` levels. Open brackets are closed whatever the length. What JSON has no word for is
 * spelled `None`, as the worker would see it. Source: Celery, `celery/utils/saferepr.py`.
 */
export function saferepr(value: unknown, maxLength: number = MAX_LENGTH, maxLevels: number = MAX_LEVELS): string {
  const text = new PythonText(maxLength, maxLevels)
  text.write(value, 0)
  return text.text
}

class PythonText {
  text = ''
  /** Characters that may still be written; Python counts code points. */
  #left: number
  readonly #maxLevels: number
  /** Whether the text was cut: from then on only closing brackets are written. */
  #isCut = false

  constructor(maxLength: number, maxLevels: number) {
    this.#left = maxLength
    this.#maxLevels = maxLevels
  }

  write(value: unknown, level: number): void {
    // A container that was not reached has no bracket to close.
    if (this.#isCut) return
    if (typeof value === 'string') this.#string(value)
    else if (typeof value === 'number') this.#word(numberText(value))
    else if (typeof value === 'boolean') this.#word(value ? 'True' : 'False')
    else if (typeof value !== 'object' || value === null) this.#word('None')
    else if (Array.isArray(value)) this.writeList(value, '[', ']', level)
    else if (isDate(value)) this.#word(datetimeText(value))
    else if (isBinary(value)) this.#binary(value)
    else this.writeDict(value as Record<string, unknown>, level)
  }

  writeList(items: readonly unknown[], open: string, close: string, level: number): void {
    if (this.#isTooDeep(level)) {
      this.#word(`${open}...${close}`)
      return
    }
    this.#mark(open)
    for (let i = 0; i < items.length && !this.#isCut; i++) {
      if (i > 0) this.#mark(', ')
      this.write(items[i], level + 1)
    }
    this.#close(close)
  }

  writeDict(dict: Readonly<Record<string, unknown>>, level: number): void {
    if (this.#isTooDeep(level)) {
      this.#word('{...}')
      return
    }
    const keys = Object.keys(dict)
    this.#mark('{')
    for (let i = 0; i < keys.length && !this.#isCut; i++) {
      const key = keys[i] as string
      if (i > 0) this.#mark(', ')
      this.#string(key)
      this.#mark(': ')
      this.write(dict[key], level + 1)
    }
    this.#close('}')
  }

  #isTooDeep(level: number): boolean {
    return this.#maxLevels > 0 && level >= this.#maxLevels
  }

  #mark(mark: string): void {
    if (this.#hasRoom()) this.#add(mark, mark.length)
  }

  #close(bracket: string): void {
    // A bracket that is itself over the limit is lost, in Celery too: the cut stands in its place.
    if (this.#isCut) this.text += bracket
    else this.#mark(bracket)
  }

  #word(word: string): void {
    if (!this.#hasRoom()) return
    const text = word.length < this.#left ? word : truncated(word, this.#left)
    this.#add(text, text.length)
  }

  #string(value: string): void {
    if (!this.#hasRoom()) return
    const text = value.length < this.#left ? value : truncated(value, this.#left)
    const quoted = text.includes("'") ? `'${text.replaceAll("'", "\\'")}'` : `'${text}'`
    this.#add(quoted, codePoints(quoted))
  }

  #binary(bytes: Uint8Array): void {
    if (!this.#hasRoom()) return
    const isLong = bytes.length > this.#left
    const text = `b'${bytesText(bytes.subarray(0, this.#left))}${isLong ? '...' : ''}'`
    this.#add(text, codePoints(text))
  }

  #add(text: string, length: number): void {
    this.text += text
    this.#left -= length
  }

  /** Whether anything more is written. The first time that there is no room, the text is cut. */
  #hasRoom(): boolean {
    if (this.#left > 0) return true
    if (!this.#isCut) this.text += ', ...'
    this.#isCut = true
    return false
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const SURROGATE = /[\ud800-\udfff]/
const LONE_SURROGATE = /\p{Surrogate}/gu

/** A header is UTF-8, which has no lone surrogates: replaced as `Buffer.from` does. */
function wellFormed(text: string): string {
  return SURROGATE.test(text) ? text.replace(LONE_SURROGATE, '\ufffd') : text
}

/** The text up to the last space before the limit, as `celery.utils.text.truncate` cuts it. */
function truncated(text: string, maxLength: number): string {
  // Twice the length in UTF-16 units holds that many code points.
  let head = text.slice(0, 2 * maxLength)
  if (SURROGATE.test(head)) {
    const points = Array.from(head)
    if (points.length < maxLength) return text
    head = points.slice(0, maxLength).join('')
  } else {
    head = head.slice(0, maxLength)
  }
  const space = head.lastIndexOf(' ')
  return `${space < 0 ? head : head.slice(0, space)}...`
}

function codePoints(text: string): number {
  if (!SURROGATE.test(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** Celery shows bytes as the text that they are, and as hexadecimal digits where they are none. */
function bytesText(bytes: Uint8Array): string {
  try {
    return UTF_8.decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('hex')
  }
}

/** The `repr` of a `datetime` with the zone UTC; a zero at the end of the time is left out. */
function datetimeText(date: Date): string {
  const [year, month, day, hour, minute, second = 0, ms = 0] = date.toISOString().match(/\d+/g)?.map(Number) ?? []
  const parts = [year, month, day, hour, minute]
  if (second > 0 || ms > 0) parts.push(second)
  if (ms > 0) parts.push(ms * 1_000)
  return `datetime.datetime(${parts.join(', ')}, tzinfo=datetime.timezone.utc)`
}

/** What Python prints for the number that its `json` module reads from ours. */
function numberText(value: number): string {
  // A whole number is digits in both up to 1e21, and from there a float that both write with an exponent.
  if (Number.isInteger(value)) return `${value}`
  if (!Number.isFinite(value)) return 'None'
  if (Math.abs(value) >= 1e-4) return `${value}`
  return value.toExponential().replace(/e-(\d)$/, 'e-0$1')
}
