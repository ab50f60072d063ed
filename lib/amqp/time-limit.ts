import { PooledProducerError } from '../errors.ts'

/**
 * The promise's outcome, or a rejection with `error()` when it has none after `ms`, or with ERR_ABORTED as
 * soon as the signal is aborted. What comes too late is handed to `late`, so that it can be closed; a late
 * rejection is dropped.
 */
export function withTimeLimit<T>(
  promise: Promise<T>,
  ms: number,
  error: () => Error,
  late?: (value: T) => void,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let isLate = false
    const giveUp = (reason: Error) => {
      isLate = true
      settle()
      reject(reason)
    }
    const abort = () => {
      const details = { outcome: 'not-sent', cause: signal?.reason } as const
      giveUp(new PooledProducerError('ERR_ABORTED', 'it was aborted by its signal', details))
    }
    const timer = setTimeout(() => giveUp(error()), ms)
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    promise.then(
      (value) => {
        if (isLate) return late?.(value)
        settle()
        resolve(value)
      },
      (cause) => {
        settle()
        reject(cause)
      },
    )
  })
}
