/**
 * The promise's outcome, or a rejection with `error()` when it has none after `ms`. What comes too late is
 * handed to `late`, so that it can be closed; a late rejection is dropped.
 */
export function withTimeLimit<T>(
  promise: Promise<T>,
  ms: number,
  error: () => Error,
  late?: (value: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(error())
    }, ms)
    promise.then(
      (value) => {
        clearTimeout(timer)
        if (isLate) late?.(value)
        else resolve(value)
      },
      (cause) => {
        clearTimeout(timer)
        reject(cause)
      },
    )
  })
}
