import { types } from 'node:util'
import { invalidArguments } from './argument-faults.ts'
import { isoFormat } from './iso-time.ts'

/** What the typed envelopes carry beside JSON's own values: a valid Date, and binary data. */
export function isTyped(value: unknown): boolean {
  return isDate(value) || isBinary(value)
}

/** Binary data as `Buffer` and typed arrays hold it. */
export function isBinary(value: unknown): value is Uint8Array {
  return types.isUint8Array(value)
}

/** A Date that stands for a time. */
export function isDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(value.getTime())
}

/**
 * JSON in which a Date is a `datetime` envelope and binary data a `base64` one. A worker with kombu 5.3 or
 * later makes a `datetime` with a zone and `bytes` of them; an older one hands the envelope to the task.
 * Source: kombu, `kombu/utils/json.py`.
 */
export function typedJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, item) {
    // JSON has called toJSON by now; what stood there is still with the holder.
    const given = this[key]
    if (isDate(given)) return envelope('datetime', yearChecked(given))
    if (isBinary(given)) return envelope('base64', base64(given))
    return item
  })
}

/** Binary data as base64. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** The time as Python's `isoformat` has it, when it is one of Python's years. */
export function yearChecked(date: Date): string {
  const year = date.getUTCFullYear()
  if (year < 1 || year > 9_999) throw invalidArguments('a Date is not of the years 1 to 9999, which are all Python has')
  return isoFormat(date.getTime())
}

function envelope(type: string, value: string): object {
  return { __type__: type, __value__: value }
}
