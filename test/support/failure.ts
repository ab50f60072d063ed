import type { PooledProducerError } from '../../lib/errors.ts'

/** The error that a promise is rejected with; rejects when it is not. */
export async function failureOf(promise: Promise<unknown>): Promise<PooledProducerError> {
  return promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  )
}
