import { PooledProducerError } from './errors.ts'
import { integer, MAX_TIMER_MS } from './integer.ts'
import { isPlainObject } from './plain-object.ts'
import { describe } from './shown-value.ts'

interface CallOptions {
  readonly timeoutMs?: unknown
  readonly signal?: unknown
  readonly block?: unknown
}

/**
 * Checks the options that bound one call.
 *
 * @param known those that this call takes.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION
 */
export function checkCallOptions(options: CallOptions, known: readonly (keyof CallOptions)[]): void {
  if (!isPlainObject(options)) throw invalid(`options must be a plain object, got ${describe(options)}`)
  for (const key of Object.keys(options)) {
    if (!(known as readonly string[]).includes(key))
      throw invalid(`${key} is no option here; known are ${known.join(', ')}`)
  }
  const { timeoutMs, signal, block } = options
  if (timeoutMs !== undefined) integer('timeoutMs', timeoutMs, 1, MAX_TIMER_MS)
  if (block !== undefined && typeof block !== 'boolean')
    throw invalid(`block must be true or false, got ${describe(block)}`)
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid(`signal must be an AbortSignal, got ${describe(signal)}`)
  }
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
