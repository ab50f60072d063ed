import { PooledProducerError, quiet } from '../errors.ts'
import { describe } from '../shown-value.ts'
import type { AcquireOptions } from './leases.ts'
import type { Producer } from './producer.ts'

/** Where a lease is taken, and given back. */
interface Lender {
  acquire(options: AcquireOptions): Promise<Producer>
  release(producer: Producer): void
}

type Run<T> = (producer: Producer) => Promise<T> | T

/** Runs a function with a leased producer, and releases it whatever comes of it. */
export function useLease<T>(lender: Lender, run: Run<T>, options: AcquireOptions): Promise<T> {
  if (typeof run !== 'function') {
    const text = `use must be given a function that takes a producer, got ${describe(run)}`
    return quiet(Promise.reject(new PooledProducerError('ERR_INVALID_OPTION', text)))
  }
  const running: Promise<T> = new Promise((resolve, reject) => {
    withLease(lender, run, options).then(resolve, (error) => {
      // A fault of the pool's may go unawaited, as with publish; a fault of the caller's own is the caller's.
      if (error instanceof PooledProducerError) void quiet(running)
      reject(error)
    })
  })
  return running
}

async function withLease<T>(lender: Lender, run: Run<T>, options: AcquireOptions): Promise<T> {
  const producer = await lender.acquire(options)
  try {
    return await run(producer)
  } finally {
    if (!producer.isReleased) lender.release(producer)
  }
}
