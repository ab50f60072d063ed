import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { PatientTimer } from '../../lib/amqp/patient-timer.ts'

let now = 0
const run = jest.fn()
const timer = new PatientTimer()

/** Runs the timers that are due `ms` later, `lateMs` after their time. */
function pass(ms: number, lateMs = 0): void {
  now += ms + lateMs
  jest.advanceTimersByTime(ms)
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['performance', 'setImmediate', 'clearImmediate'] })
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  timer.stop()
  run.mockReset()
})

afterEach(() => {
  jest.useRealTimers()
})

/** One turn of the event loop, with its I/O. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('what is due runs after one turn of I/O, and not before its time', async () => {
  timer.start(run, 100)
  pass(99)
  await turn()
  expect([timer.isRunning, run.mock.calls.length]).toEqual([true, 0])
  pass(1)
  expect([timer.isRunning, run.mock.calls.length]).toEqual([true, 0])
  await turn()

  expect([timer.isRunning, run.mock.calls.length]).toEqual([false, 1])
})

test('a timer is over when it runs what is due, which may start it again', async () => {
  run.mockImplementationOnce(() => {
    expect(timer.isRunning).toBe(false)
    timer.start(run, 10)
  })
  timer.start(run, 10)
  pass(10)
  await turn()
  expect(timer.isRunning).toBe(true)
  pass(10)
  await turn()

  expect(run).toHaveBeenCalledTimes(2)
})

test('a hold-up of over 20 ms is waited for as long again', async () => {
  timer.start(run, 100)
  pass(100, 21)
  await turn()
  pass(20)
  await turn()
  expect(run).not.toHaveBeenCalled()
  pass(1)
  await turn()

  expect(run).toHaveBeenCalledTimes(1)
})

test('20 ms late is no hold-up', async () => {
  timer.start(run, 100)
  pass(100, 20)
  await turn()

  expect(run).toHaveBeenCalledTimes(1)
})

test('a hold-up is waited for 200 ms at most', async () => {
  timer.start(run, 100)
  pass(100, 60_000)
  pass(199)
  await turn()
  expect(run).not.toHaveBeenCalled()
  pass(1)
  await turn()

  expect(run).toHaveBeenCalledTimes(1)
})

test('a process that is always late is excused three times, and then the wait ends', async () => {
  timer.start(run, 100)
  for (const ms of [100, 50, 50]) {
    pass(ms, 50)
    await turn()
    expect(run).not.toHaveBeenCalled()
  }
  pass(50, 50)
  await turn()

  expect(run).toHaveBeenCalledTimes(1)
})

test('what was stopped does not run, nor what was due already', async () => {
  timer.start(run, 100)
  timer.stop()
  expect(timer.isRunning).toBe(false)
  pass(100)
  await turn()
  timer.start(run, 100)
  pass(100)
  timer.stop()
  await turn()

  expect(run).not.toHaveBeenCalled()
})

test('a start takes the place of the one before', async () => {
  const other = jest.fn()
  timer.start(other, 50)
  timer.start(run, 100)
  pass(100)
  await turn()

  expect(other).not.toHaveBeenCalled()
  expect(run).toHaveBeenCalledTimes(1)
})

test.each([
  ['does not keep the process alive', undefined, false],
  ['keeps the process alive when it is told to', { keepsProcess: true }, true],
])('it %s', (_, options, isKept) => {
  const setTimer = jest.spyOn(globalThis, 'setTimeout')
  const timer = new PatientTimer(options)
  timer.start(run, 100)

  expect(setTimer.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toEqual([isKept])
  timer.stop()
})
