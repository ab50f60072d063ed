import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Pauses } from '../../lib/pool/pauses.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const ended: unknown[][] = []
const pauses = new Pauses((publishes) => ended.push(publishes.map(({ body }) => body)))

beforeEach(() => {
  jest.useFakeTimers()
  ended.length = 0
})

afterEach(() => {
  jest.useRealTimers()
})

function hold(body: string, pauseMs: number): void {
  pauses.hold(new PendingPublish(template, [], body, undefined), pauseMs)
}

test('what comes in one turn with the same pause goes on together, in its order', () => {
  for (const body of ['1', '2', '3']) hold(body, 100)
  jest.advanceTimersByTime(99)
  expect(ended).toEqual([])
  jest.advanceTimersByTime(1)

  expect(ended).toEqual([['1', '2', '3']])
})

test('pauses of different length end each in its time, and none at once', () => {
  hold('late', 400)
  hold('soon', 100)
  hold('now', 0)
  hold('late too', 400)
  expect(ended).toEqual([])
  jest.advanceTimersByTime(0)
  expect(ended).toEqual([['now']])
  jest.advanceTimersByTime(100)
  expect(ended).toEqual([['now'], ['soon']])
  jest.advanceTimersByTime(300)

  expect(ended).toEqual([['now'], ['soon'], ['late', 'late too']])
})

test('those of one turn take one callback of the event loop, and those without a pause go on in it', () => {
  for (const pauseMs of [0, 100, 0, 400]) hold(`after ${pauseMs}`, pauseMs)
  expect(jest.getTimerCount()).toBe(1)
  jest.advanceTimersToNextTimer()
  expect(ended).toEqual([['after 0', 'after 0']])
  expect(jest.getTimerCount()).toBe(2)
  jest.runAllTimers()

  expect(ended).toEqual([['after 0', 'after 0'], ['after 100'], ['after 400']])
})

test('what comes in a later turn waits for its own pause', () => {
  hold('1', 100)
  jest.advanceTimersByTime(50)
  hold('2', 100)
  jest.advanceTimersByTime(50)
  expect(ended).toEqual([['1']])
  jest.advanceTimersByTime(50)

  expect(ended).toEqual([['1'], ['2']])
})
