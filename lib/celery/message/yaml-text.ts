import { base64, isBinary, isDate, yearChecked } from './json-types.ts'

/** PyYAML refuses these unescaped (`Reader.NON_PRINTABLE`), and splits lines at some that JSON leaves alone. */
const UNPRINTABLE = /[\u007f-\u00a0\u2028\u2029\ufeff\ufffe\uffff]/g
/** A key in one line must be shorter than this; a longer one is announced by a question mark. */
const MAX_SIMPLE_KEY = 120

/**
 * A value as YAML 1.1, which Celery's workers read with PyYAML. All in flow style, on one line, with quoted
 * strings: nothing can be taken for a boolean, a date or a number that is none. A Date becomes a timestamp
 * and binary data `!!binary`, which the worker gives its task as `datetime` and `bytes`.
 */
export function yamlText(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'object' || value === null) return `${value}`
  if (isDate(value)) return yearChecked(value)
  if (isBinary(value)) return `!!binary "${base64(value)}"`
  if (Array.isArray(value)) return `[${value.map(yamlText).join(', ')}]`
  return `{${Object.entries(value).map(pair).join(', ')}}`
}

function pair([key, value]: [string, unknown]): string {
  const name = quoted(key)
  return `${name.length > MAX_SIMPLE_KEY ? '? ' : ''}${name} : ${yamlText(value)}`
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** A float of YAML 1.1 has a point, and a sign in its exponent; without them it is read as a string. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf'
  const text = JSON.stringify(value)
  if (!text.includes('e')) return text
  return text.includes('.') ? text : text.replace('e', '.0e')
}
