import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { Channel } from 'amqplib'
import { openedChannel } from '../../lib/amqp/opened-channel.ts'
import { failureOf } from '../support/failure.ts'

const unanswered = jest.fn<(error: Error) => void>()

beforeEach(() => {
  jest.useFakeTimers()
  unanswered.mockReset()
})

afterEach(() => {
  jest.useRealTimers()
})

/** As much of a channel as is used here. */
class TestChannel extends EventEmitter {
  readonly close = jest.fn(async () => {})
}

/** A channel that opens when it is told to. */
function opening(): { channel: TestChannel; promise: Promise<Channel>; open: () => Promise<void> } {
  const channel = new TestChannel()
  let resolve = (_: Channel): void => {}
  const promise = new Promise<Channel>((done) => {
    resolve = done
  })
  const open = async (): Promise<void> => {
    resolve(channel as unknown as Channel)
    await jest.advanceTimersByTimeAsync(0)
  }
  return { channel, promise, open }
}

test('a channel that opens in time is given, and stays open', async () => {
  const { channel, promise, open } = opening()
  const opened = openedChannel(promise, 30_000, unanswered)
  await jest.advanceTimersByTimeAsync(4_999)
  await open()

  expect(await opened).toBe(channel)
  await jest.advanceTimersByTimeAsync(30_000)
  expect(channel.close).not.toHaveBeenCalled()
  expect(unanswered).not.toHaveBeenCalled()
})

test('an error of a channel that nobody listens to yet harms nobody', async () => {
  const { channel, promise, open } = opening()
  const opened = openedChannel(promise, 1_000, unanswered)
  await open()
  await opened

  expect(() => channel.emit('error', new Error('closed'))).not.toThrow()
})

test.each([
  [30_000, 5_000],
  [1_000, 1_000],
])('with a connectTimeoutMs of %d a channel has %d ms to open', async (connectTimeoutMs, limitMs) => {
  const failure = failureOf(openedChannel(opening().promise, connectTimeoutMs, unanswered))
  await jest.advanceTimersByTimeAsync(limitMs - 1)
  expect(unanswered).not.toHaveBeenCalled()
  await jest.advanceTimersByTimeAsync(1)

  const error = await failure
  expect(error.message).toBe(`the broker opened no channel in ${limitMs} ms`)
  expect(unanswered.mock.calls).toEqual([[error]])
})

test('a channel that opens too late is closed, even where that fails', async () => {
  const { channel, promise, open } = opening()
  channel.close.mockRejectedValue(new Error('the connection is gone'))
  const failure = failureOf(openedChannel(promise, 1_000, unanswered))
  await jest.advanceTimersByTimeAsync(1_000)
  await failure
  await open()

  expect(channel.close).toHaveBeenCalledTimes(1)
})

test('a channel that cannot be opened rejects with the reason', async () => {
  const reason = new Error('Channel closed')
  expect(await failureOf(openedChannel(Promise.reject(reason), 1_000, unanswered))).toBe(reason)
  expect(unanswered).not.toHaveBeenCalled()
})
