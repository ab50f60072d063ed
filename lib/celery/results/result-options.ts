import { describe, integer } from '../../options.ts'
import { invalidOption } from '../options/app-rules.ts'

/** What an app says of its results. */
export interface ResultOptions {
  /** Where results come from: `rpc://`, a queue that workers send them to. Default: none come. */
  backend?: string | undefined
  /** Seconds for which a result is kept here that nobody asks for. Default: 86,400. */
  resultExpires?: number
  /** How long `get` waits for a result when it is not told, in milliseconds. Default: 60,000. */
  resultTimeoutMs?: number
  /** Results kept here that nobody has asked for yet; the oldest are dropped. Default: 10,000. */
  maxKeptResults?: number
  /** The largest result that is read, in bytes. Default: 16 MiB. */
  maxResultBytes?: number
}

export const RESULT_OPTIONS: readonly (keyof ResultOptions)[] = [
  'backend',
  'resultExpires',
  'resultTimeoutMs',
  'maxKeptResults',
  'maxResultBytes',
]

/** {@link ResultOptions} checked, with every default filled in. */
export interface ResultSettings extends Readonly<Required<Omit<ResultOptions, 'backend'>>> {
  readonly backend: 'rpc://' | undefined
}

/** The longest delay that a Node timer keeps. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** A year. */
const MAX_SECONDS = 31_536_000

/** @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected. */
export function resultSettings(given: Record<string, unknown>): ResultSettings {
  const number = (name: keyof ResultOptions, fallback: number, min: number, max: number) =>
    integer(name, given[name] ?? fallback, min, max)
  return Object.freeze({
    backend: backend(given.backend),
    resultExpires: number('resultExpires', 86_400, 1, MAX_SECONDS),
    resultTimeoutMs: number('resultTimeoutMs', 60_000, 1, MAX_TIMER_MS),
    maxKeptResults: number('maxKeptResults', 10_000, 0, 10_000_000),
    maxResultBytes: number('maxResultBytes', 16 * 2 ** 20, 1, Number.MAX_SAFE_INTEGER),
  })
}

function backend(value: unknown): ResultSettings['backend'] {
  // Celery's own word for none.
  if (value === undefined || value === null || value === 'disabled://') return undefined
  if (value === 'rpc://' || value === 'rpc') return 'rpc://'
  throw invalidOption(`backend must be 'rpc://' or left out, got ${describe(value)}`)
}
