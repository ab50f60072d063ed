import type { Readable, Writable } from 'node:stream'
import { styleText } from 'node:util'
import { PooledProducerError } from '../errors.ts'

/** Where a command reads and writes: `process`, or streams of a test. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; hasColors?(): boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
}

// Control and invisible formatting characters: a terminal would obey them, or show a line other than it is.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** A name from outside as it can be printed: without the characters that a terminal obeys. */
export function printable(name: string): string {
  return name.replace(UNPRINTABLE, '')
}

/** What an error says, with the code of one of ours. */
export function errorText(error: unknown): string {
  const { message } = error as Error
  return printable(error instanceof PooledProducerError ? `${message} (${error.code})` : String(message))
}

// Those of them that JSON writes as they are.
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** JSON over several lines, every character that a terminal obeys escaped. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    UNPRINTABLE_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Makes text bold where the stream shows colours; `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` have their say in that. */
export function emphasis({ stdout }: Terminal): (text: string) => string {
  const hasColors = stdout.isTTY === true && stdout.hasColors?.() === true
  return (text) => (hasColors ? styleText('bold', text, { validateStream: false }) : text)
}
