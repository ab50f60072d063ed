import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { Channel } from 'amqplib'
import { closedChannel } from '../../lib/amqp/closed-channel.ts'
import { failureOf } from '../support/failure.ts'

beforeEach(() => {
  jest.useFakeTimers()
})

afterEach(() => {
  jest.useRealTimers()
})

/** As much of a channel as is used here; its close is answered when it is told to. */
class TestChannel extends EventEmitter {
  answer: () => void = () => {}
  readonly close = jest.fn(() => {
    return new Promise<void>((resolve) => {
      this.answer = resolve
    })
  })
}

/** A channel that is being closed. */
function closing(channel = new TestChannel()): { channel: TestChannel; promise: Promise<void> } {
  return { channel, promise: closedChannel(channel as unknown as Channel, 1_000) }
}

test('a channel is closed once the broker has answered, and no timer is left', async () => {
  const closed = jest.fn()
  const { channel, promise } = closing()
  const done = promise.then(closed)
  await jest.advanceTimersByTimeAsync(999)
  expect(channel.close).toHaveBeenCalledTimes(1)
  expect(closed).not.toHaveBeenCalled()
  channel.answer()
  await done

  expect(jest.getTimerCount()).toBe(0)
})

test('a close that is never answered has come about when the connection ends', async () => {
  const { channel, promise } = closing()
  channel.emit('close')
  await promise

  expect(jest.getTimerCount()).toBe(0)
})

test('a close that is neither answered nor overtaken is given up at its limit', async () => {
  const failure = failureOf(closing().promise)
  await jest.advanceTimersByTimeAsync(1_000)

  expect((await failure).message).toBe('the broker did not answer the close of a channel')
})

test('a channel that cannot be closed any more rejects at once, with the reason', async () => {
  const channel = new TestChannel()
  const reason = new Error('Channel closed')
  channel.close.mockRejectedValue(reason)

  expect(await failureOf(closing(channel).promise)).toBe(reason)
})
