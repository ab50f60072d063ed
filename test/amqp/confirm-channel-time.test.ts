import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { WRITE_PATHS } from '../support/write-paths.ts'
import { messageOf, newChannel, templateOf } from './recorded-owners.ts'
import { ScriptedChannel } from './scripted-channel.ts'

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask'] })
})

afterEach(() => {
  jest.useRealTimers()
})

/** So much time passes, with the turns of I/O that an answer would come in. */
async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}

// confirm-channel.test.ts has the time limit of a real broker.
describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  const template = templateOf({ routingKey: 'q' })

  function open(confirmTimeoutMs: number) {
    const script = new ScriptedChannel()
    const { channel, answers } = newChannel(script.raw, script.connection, { fastPath, confirmTimeoutMs })
    /** Sends messages with the numbers from one to another, which are also their tags. */
    const send = (from: number, to: number): void => {
      for (let number = from; number <= to; number++) channel.write(messageOf(template, number), performance.now())
      channel.flush()
    }
    return { script, channel, answers, send }
  }

  describe('the time limit of a confirm', () => {
    test('ends the channel, and the message may be sent again', async () => {
      const { script, channel, answers, send } = open(60)
      send(1, 2)
      script.ack(2)
      await pass(59)
      expect(channel.isUsable).toBe(true)
      await pass(1)

      expect(answers.order).toEqual([2, 1])
      expect(answers.errorOf(1)).toMatchObject({
        message: 'the channel was closed: no confirm in 60 ms',
        outcome: 'unknown',
        retryable: true,
      })
      script.closeOk()
      expect(channel.isOpen).toBe(false)
    })

    test('counts for each message: the oldest unconfirmed one decides', async () => {
      const { script, channel, send } = open(100)
      send(1, 1)
      await pass(60)
      send(2, 2)
      script.ack(1)
      await pass(99)
      expect(channel.isUsable).toBe(true)
      await pass(1)

      expect(channel.isUsable).toBe(false)
    })

    test('runs from when a message became the oldest: a long window may take long', async () => {
      const { script, channel, send } = open(100)
      send(1, 3)
      for (const tag of [1, 2]) {
        await pass(80)
        script.ack(tag)
      }
      await pass(99)
      expect(channel.isUsable).toBe(true)
      await pass(1)

      expect(channel.isUsable).toBe(false)
    })

    test('does not run while the broker is blocked, and is whole again once it reads', async () => {
      const { script, channel, send } = open(50)
      send(1, 1)
      script.connection.isBlocked = true
      await pass(120)
      expect(channel.isUsable).toBe(true)
      script.connection.isBlocked = false
      script.connection.readingSince = performance.now()
      await pass(49)
      expect(channel.isUsable).toBe(true)
      await pass(1)

      expect(channel.isUsable).toBe(false)
    })

    test('does not end a channel on which nothing is in flight', async () => {
      const { script, channel, send } = open(50)
      send(1, 1)
      script.ack(1)
      await pass(1_000)

      expect(channel.isUsable).toBe(true)
    })

    test('is over with the channel', async () => {
      const { script, send } = open(50)
      send(1, 1)
      script.lose()

      expect(jest.getTimerCount()).toBe(0)
    })
  })

  describe('a close without an answer', () => {
    test.each([
      ['nothing in flight', 'the time of a confirm', 0, 5_000, 5_000],
      ['nothing in flight', 'one second at least', 0, 100, 1_000],
      ['messages in flight', 'one second', 1, 5_000, 1_000],
    ])('over %s ends its connection after %s', async (_, __, count, confirmTimeoutMs, limitMs) => {
      const { script, channel, answers, send } = open(confirmTimeoutMs)
      send(1, count)
      const destroyed = channel.destroy('of no use')
      await pass(limitMs - 1)
      expect(script.aborts).toEqual([])
      await pass(1)
      await destroyed

      expect(script.aborts.map(({ message }) => message)).toEqual(['the broker did not answer the close of a channel'])
      expect(answers.closedCount).toBe(1)
    })

    test('leaves the connection of a blocked broker alone', async () => {
      const { script, channel, answers } = open(100)
      script.connection.isBlocked = true
      const destroyed = channel.destroy('of no use')
      await pass(1_000)
      await destroyed

      expect(script.aborts).toEqual([])
      expect(answers.closedCount).toBe(1)
    })
  })
})
