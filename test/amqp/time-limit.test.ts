import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { withTimeLimit } from '../../lib/amqp/time-limit.ts'

const TOO_LATE = new Error('too late')
const tooLate = (): Error => TOO_LATE

/** A promise that is settled from outside. */
function deferred<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}

beforeEach(() => {
  jest.useFakeTimers()
})

afterEach(() => {
  jest.useRealTimers()
})

test('what comes in time is the outcome, and the timer is cleared', async () => {
  const { promise, resolve } = deferred<string>()
  const limited = withTimeLimit(promise, 100, tooLate)
  resolve('value')

  expect(await limited).toBe('value')
  expect(jest.getTimerCount()).toBe(0)
})

test('a rejection in time is the outcome, and the timer is cleared', async () => {
  const { promise, reject } = deferred<string>()
  const limited = withTimeLimit(promise, 100, tooLate)
  reject(new Error('refused'))

  await expect(limited).rejects.toThrow('refused')
  expect(jest.getTimerCount()).toBe(0)
})

test('after the limit it rejects with the error that is made only then', async () => {
  const makeError = jest.fn(tooLate)
  const limited = withTimeLimit(deferred().promise, 100, makeError)
  jest.advanceTimersByTime(99)
  expect(makeError).not.toHaveBeenCalled()
  jest.advanceTimersByTime(1)

  await expect(limited).rejects.toBe(TOO_LATE)
})

test('a value that comes too late is handed over, to be closed', async () => {
  const { promise, resolve } = deferred<string>()
  const late = jest.fn()
  const limited = withTimeLimit(promise, 100, tooLate, late)
  jest.advanceTimersByTime(100)
  await expect(limited).rejects.toBe(TOO_LATE)
  expect(late).not.toHaveBeenCalled()
  resolve('late')
  await promise

  expect(late.mock.calls).toEqual([['late']])
})

test('a value that comes too late, with nobody to take it, is dropped', async () => {
  const { promise } = deferred<string>()
  const then = jest.spyOn(promise, 'then')
  const limited = withTimeLimit(promise, 100, tooLate)
  const [onValue] = then.mock.calls[0] as [(value: string) => void]
  jest.advanceTimersByTime(100)
  await expect(limited).rejects.toBe(TOO_LATE)

  // Thrown behind a promise, it would be a rejection that nobody hears.
  expect(() => onValue('late')).not.toThrow()
})

test('a value in time is not handed over as a late one', async () => {
  const late = jest.fn()
  await withTimeLimit(Promise.resolve('value'), 100, tooLate, late)

  expect(late).not.toHaveBeenCalled()
})

test('a rejection that comes too late is dropped', async () => {
  const { promise, reject } = deferred<string>()
  const late = jest.fn()
  const limited = withTimeLimit(promise, 100, tooLate, late)
  jest.advanceTimersByTime(100)
  await expect(limited).rejects.toBe(TOO_LATE)
  // Were it not handled, the process of the tests would end here.
  reject(new Error('nobody hears this'))
  await expect(promise).rejects.toThrow()

  expect(late).not.toHaveBeenCalled()
})
