import { beforeEach, expect, jest, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import type { AcquireOptions } from '../../lib/pool/leases.ts'
import type { Producer } from '../../lib/pool/producer.ts'
import { useLease } from '../../lib/pool/use-lease.ts'
import { failureOf } from '../support/failure.ts'
import { startScript } from '../support/script.ts'

const OPTIONS: AcquireOptions = { timeoutMs: 5 }
const producer = { isReleased: false } as { isReleased: boolean } & Producer
const acquire = jest.fn<(options: AcquireOptions) => Promise<Producer>>()
const release = jest.fn<(producer: Producer) => void>()
const lender = { acquire, release }

beforeEach(() => {
  ;(producer as { isReleased: boolean }).isReleased = false
  acquire.mockReset().mockResolvedValue(producer)
  release.mockReset()
})

test('the outcome of the function is given, and its producer is released after it', async () => {
  const outcome = await useLease(lender, async (given) => [given, release.mock.calls.length], OPTIONS)

  expect(outcome).toEqual([producer, 0])
  expect(acquire.mock.calls).toEqual([[OPTIONS]])
  expect(release.mock.calls).toEqual([[producer]])
})

test('a producer is released when the function throws, and the error is the function’s own', async () => {
  const error = new Error('mine')
  const running = useLease(
    lender,
    () => {
      throw error
    },
    OPTIONS,
  )

  expect(await failureOf(running)).toBe(error)
  expect(release.mock.calls).toEqual([[producer]])
})

test('a producer that the function has released itself is not released again', async () => {
  await useLease(
    lender,
    (given) => {
      ;(given as { isReleased: boolean }).isReleased = true
    },
    OPTIONS,
  )
  expect(release).not.toHaveBeenCalled()
})

test('where there is no producer the function is not called', async () => {
  const error = new PooledProducerError('ERR_ACQUIRE_TIMEOUT', 'none')
  acquire.mockRejectedValue(error)
  const run = jest.fn<() => void>()

  expect(await failureOf(useLease(lender, run, OPTIONS))).toBe(error)
  expect(run).not.toHaveBeenCalled()
  expect(release).not.toHaveBeenCalled()
})

test('a fault of the pool’s that nobody awaits ends no process', async () => {
  acquire.mockRejectedValue(new PooledProducerError('ERR_ACQUIRE_TIMEOUT', 'none'))
  void useLease(lender, () => {}, OPTIONS)
  // A rejection that nobody handles fails the test by now.
  await new Promise((resolve) => setImmediate(resolve))
  expect(acquire).toHaveBeenCalledTimes(1)
})

test('a fault of the function’s own that nobody awaits is for Node to tell, as any other', async () => {
  const script = startScript(`
    import { useLease } from '../../lib/pool/use-lease.ts'
    const lender = { acquire: async () => ({ isReleased: false }), release() {} }
    void useLease(lender, () => { throw new Error('mine') }, {})`)

  expect(await script.ended).toEqual({ code: 1, signal: null })
})

test('what is no function is refused before a producer is taken', async () => {
  expect(await failureOf(useLease(lender, 'run' as never, OPTIONS))).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: 'use must be given a function that takes a producer, got "run"',
  })
  expect(acquire).not.toHaveBeenCalled()
})
