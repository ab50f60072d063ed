type Callback = (error: unknown, value?: unknown) => void

/**
 * Runs a call of amqplib's promise API, whose answer goes to the callback that a caller of its callback API
 * gives last. Without one a promise comes back, which rejects where the call throws.
 */
export function answer<T>(call: () => Promise<T> | T, callback: unknown): Promise<T> | undefined {
  const answering = promised(call)
  if (typeof callback !== 'function') return answering
  const settle = callback as Callback
  answering.then((value) => settle(null, value), settle)
  return undefined
}

async function promised<T>(call: () => Promise<T> | T): Promise<T> {
  return call()
}
