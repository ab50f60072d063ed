import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { ConfirmClock } from '../../lib/amqp/confirm-clock.ts'

let since: number | undefined
let isExcused = false
const expired = jest.fn()
let clock: ConfirmClock

beforeEach(() => {
  jest.useFakeTimers()
  since = undefined
  isExcused = false
  expired.mockReset()
  clock = new ConfirmClock(100, { waitingSince: () => since, isExcused: () => isExcused, expired })
})

afterEach(() => {
  clock.stop()
  jest.useRealTimers()
})

/** The clock starts, and a message waits from now on. */
function write(): void {
  since ??= performance.now()
  clock.start()
}

test('a message without a confirm expires after the time limit, once, and not before', () => {
  write()
  jest.advanceTimersByTime(99)
  expect(expired).not.toHaveBeenCalled()
  jest.advanceTimersByTime(1_000)

  expect(expired).toHaveBeenCalledTimes(1)
})

test('a message that was written later has the whole of its time', () => {
  write()
  jest.advanceTimersByTime(60)
  since = performance.now()
  jest.advanceTimersByTime(98)
  expect(expired).not.toHaveBeenCalled()
  jest.advanceTimersByTime(10)

  expect(expired).toHaveBeenCalledTimes(1)
})

test('messages that come while the clock runs do not put it off', () => {
  write()
  jest.advanceTimersByTime(60)
  write()
  jest.advanceTimersByTime(45)

  expect(expired).toHaveBeenCalledTimes(1)
})

test('while no message waits nothing expires and no timer runs, and the next message starts it again', () => {
  write()
  since = undefined
  jest.advanceTimersByTime(1_000)
  expect(expired).not.toHaveBeenCalled()
  expect(jest.getTimerCount()).toBe(0)

  write()
  jest.advanceTimersByTime(105)
  expect(expired).toHaveBeenCalledTimes(1)
})

test('a broker that cannot answer has a whole time limit more, each time', () => {
  write()
  isExcused = true
  jest.advanceTimersByTime(1_050)
  expect(expired).not.toHaveBeenCalled()
  isExcused = false
  jest.advanceTimersByTime(20)
  expect(expired).not.toHaveBeenCalled()
  jest.advanceTimersByTime(100)

  expect(expired).toHaveBeenCalledTimes(1)
})

test('a clock that was stopped tells nobody', () => {
  write()
  clock.stop()
  jest.advanceTimersByTime(1_000)

  expect(expired).not.toHaveBeenCalled()
})
