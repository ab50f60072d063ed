import { getEventListeners } from 'node:events'
import { expect, jest, test } from '@jest/globals'
import { AbortWatch } from '../../lib/pool/abort-watch.ts'

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

test('everybody who watches a signal is called back, and one listener does for all', () => {
  const watch = new AbortWatch()
  const controller = new AbortController()
  const callbacks = [jest.fn(), jest.fn(), jest.fn()]
  for (const callback of callbacks) watch.watch(controller.signal, callback)
  expect(listenersOf(controller.signal)).toBe(1)
  controller.abort()

  expect(callbacks.map(({ mock }) => mock.calls.length)).toEqual([1, 1, 1])
  expect(listenersOf(controller.signal)).toBe(0)
})

test('signals are watched each on its own', () => {
  const watch = new AbortWatch()
  const [one, other] = [new AbortController(), new AbortController()]
  const callback = jest.fn()
  watch.watch(one.signal, callback)
  watch.watch(other.signal, jest.fn())
  other.abort()

  expect(callback).not.toHaveBeenCalled()
})

test('who has ended the watch is not called back, and the listener stays for the others only', () => {
  const watch = new AbortWatch()
  const controller = new AbortController()
  const [gone, stays] = [jest.fn(), jest.fn()]
  const end = watch.watch(controller.signal, gone)
  const endLast = watch.watch(controller.signal, stays)
  end()
  end()
  expect(listenersOf(controller.signal)).toBe(1)
  controller.abort()
  expect([gone.mock.calls.length, stays.mock.calls.length]).toEqual([0, 1])

  endLast()
  expect(listenersOf(controller.signal)).toBe(0)
})

test('a signal that nobody watches any more can be watched again', () => {
  const watch = new AbortWatch()
  const controller = new AbortController()
  watch.watch(controller.signal, jest.fn())()
  expect(listenersOf(controller.signal)).toBe(0)
  const callback = jest.fn()
  watch.watch(controller.signal, callback)
  controller.abort()

  expect(callback).toHaveBeenCalledTimes(1)
})

test('a watch that was ended twice takes nobody else’s listener away', () => {
  const watch = new AbortWatch()
  const controller = new AbortController()
  const end = watch.watch(controller.signal, jest.fn())
  end()
  const callback = jest.fn()
  watch.watch(controller.signal, callback)
  end()
  controller.abort()

  expect(callback).toHaveBeenCalledTimes(1)
})

test('who is called back may end the watches of all', () => {
  const watch = new AbortWatch()
  const controller = new AbortController()
  const ends: (() => void)[] = []
  const callbacks = [1, 2].map(() => jest.fn(() => ends.forEach((end) => void end())))
  for (const callback of callbacks) ends.push(watch.watch(controller.signal, callback))
  controller.abort()

  expect(callbacks.map(({ mock }) => mock.calls.length)).toEqual([1, 1])
})
