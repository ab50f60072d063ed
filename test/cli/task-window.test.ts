import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { TaskWindow } from '../../lib/cli/task-window.ts'

const signal = new AbortController().signal
const limits = { tasks: 50, timeLimitMs: 60_000, width: 10, signal }

test('each number is sent once, and never more calls at a time than the window is wide', async () => {
  let [now, most] = [0, 0]
  const window = new TaskWindow(limits)

  const { ids, elapsedMs, cpuMicros, callMs } = await window.run(async (index) => {
    most = Math.max(most, ++now)
    await turn()
    now--
    return `id ${index}`
  })

  expect(ids).toEqual(Array.from({ length: 50 }, (_, index) => `id ${index}`))
  expect(most).toBe(10)
  expect(window.done).toBe(50)
  expect(elapsedMs).toBeGreaterThan(0)
  expect(cpuMicros).toBeGreaterThan(0)
  expect(callMs.p99).toBeGreaterThanOrEqual(callMs.p50)
})

test('no call begins once the time is over, and those that have begun are counted', async () => {
  const begun = performance.now()

  const { ids } = await new TaskWindow({ ...limits, tasks: 1e9, timeLimitMs: 50 }).run(async (index) => {
    await turn()
    return `${index}`
  })

  expect(performance.now() - begun).toBeGreaterThanOrEqual(50)
  expect(ids.length).toBeGreaterThan(0)
  expect(ids.every((id, index) => id === `${index}`)).toBe(true)
})

test('the first failure ends it, with its own error', async () => {
  let calls = 0

  const run = new TaskWindow(limits).run(async (index) => {
    calls++
    await turn()
    if (index === 3) throw new Error('number 3')
    return `${index}`
  })

  await expect(run).rejects.toThrow('number 3')
  expect(calls).toBeLessThanOrEqual(20)
})

test('an aborted window begins no more calls', async () => {
  const controller = new AbortController()
  const window = new TaskWindow({ ...limits, signal: controller.signal })

  const { ids } = await window.run(async (index) => {
    controller.abort()
    return `${index}`
  })

  expect(ids.length).toBeLessThanOrEqual(10)
})

test('a measured failure ends the calls too, and comes back with what went well', async () => {
  const window = new TaskWindow({ ...limits, width: 1 })

  const measured = await window.measure(async (index) => {
    if (index === 3) throw new Error('number 3')
  })

  expect(measured).toMatchObject({ failed: 1, failure: new Error('number 3') })
  expect(window.done).toBe(3)
})

test('calls that do not end are given up when none has ended for a while, and count as failed', async () => {
  const window = new TaskWindow({ ...limits, stallMs: 50 })

  const measured = await window.measure((index) => (index < 5 ? turn() : new Promise(() => {})))

  expect(measured).toMatchObject({ failed: 10, failure: { code: 'ERR_PUBLISH_TIMEOUT' } })
  expect(window.done).toBe(5)
})
