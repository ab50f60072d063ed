import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Deadlines } from '../../lib/pool/deadlines.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
/** What has expired, and after how many milliseconds. */
let expired: [string, number][] = []
let deadlines: Deadlines
let startedAt = 0
let onExpire: (publish: PendingPublish) => void

beforeEach(() => {
  jest.useFakeTimers()
  expired = []
  onExpire = () => {}
  startedAt = performance.now()
  deadlines = new Deadlines((publish) => {
    expired.push([publish.body as string, Math.floor(performance.now() - startedAt)])
    onExpire(publish)
  })
})

afterEach(() => {
  deadlines.stop()
  jest.useRealTimers()
})

function add(name: string, timeoutMs: number): PendingPublish {
  const publish = new PendingPublish(template, [], name, undefined)
  deadlines.add(publish, timeoutMs, performance.now())
  return publish
}

/** The names of what has expired, in order. */
function names(): string[] {
  return expired.map(([name]) => name)
}

test('each publish expires by its own deadline, not before and not long after', () => {
  for (const ms of [90, 30, 60, 30]) add(`${ms}`, ms)
  jest.advanceTimersByTime(200)

  expect(names()).toEqual(['30', '30', '60', '90'])
  for (const [name, ms] of expired) {
    expect(ms).toBeGreaterThanOrEqual(Number(name))
    // A deadline is a whole millisecond, and one turn of I/O is waited for.
    expect(ms).toBeLessThanOrEqual(Number(name) + 2)
  }
})

test('publishes with one time limit expire in their order, each when it has had its time', () => {
  add('first', 50)
  jest.advanceTimersByTime(20)
  add('second', 50)
  jest.advanceTimersByTime(45)
  expect(names()).toEqual(['first'])
  jest.advanceTimersByTime(10)
  expect(names()).toEqual(['first', 'second'])
})

test('a deadline that has passed when it is added is over at once', () => {
  const publish = new PendingPublish(template, [], 'late', undefined)
  deadlines.add(publish, 10, performance.now() - 100)
  jest.advanceTimersByTime(3)

  expect(names()).toEqual(['late'])
})

test('the longest time limit asks for no longer timer than Node has, which would warn and fire at once', () => {
  const timers = jest.spyOn(globalThis, 'setTimeout')
  const publish = new PendingPublish(template, [], 'patient', undefined)
  // A deadline is a whole millisecond, and so may be farther off than its time limit.
  deadlines.add(publish, 2 ** 31 - 1, performance.now() + 0.5)

  expect(timers.mock.calls.map(([, ms]) => ms)).toEqual([2 ** 31 - 1])
})

test('one timer does for all, and none is left when nothing is left', () => {
  for (const ms of [90, 30, 60]) add(`${ms}`, ms)
  expect(jest.getTimerCount()).toBe(1)
  jest.advanceTimersByTime(200)

  expect(jest.getTimerCount()).toBe(0)
})

test('what was removed does not expire, wherever it stood', () => {
  const items = ['a', 'b', 'c', 'd', 'e'].map((name) => add(name, 20))
  for (const index of [0, 2, 4, 0]) deadlines.remove(items[index] as PendingPublish)
  add('last', 20)
  expect([...deadlines].map(({ body }) => body)).toEqual(['b', 'd', 'last'])
  jest.advanceTimersByTime(50)

  expect(names()).toEqual(['b', 'd', 'last'])
})

test('what was removed can be added again, and is held by nothing until then', () => {
  const [before, publish] = [add('before', 20), add('again', 20)]
  add('behind', 20)
  deadlines.remove(publish)
  expect(publish).toMatchObject({ lane: undefined, earlier: undefined, later: undefined })
  deadlines.remove(before)
  deadlines.add(publish, 20, performance.now())

  expect([...deadlines].map(({ body }) => body)).toEqual(['behind', 'again'])
})

test('a publish knows the time limit that it shares with others', () => {
  const [a, b] = [add('a', 20), add('b', 20)]
  expect(a.lane?.timeoutMs).toBe(20)
  expect(b.lane).toBe(a.lane)
})

test('all that have not expired can be gone through', () => {
  const [a] = [add('a', 1_000), add('b', 2_000), add('c', 1_000)]
  deadlines.remove(a as PendingPublish)

  expect([...deadlines].map(({ body }) => String(body)).sort()).toEqual(['b', 'c'])
})

test('an expiry that adds a publish, earlier than all others, gets it expired too', () => {
  onExpire = ({ body }) => {
    if (body === 'first') add('added', 5)
  }
  add('first', 10)
  add('last', 500)
  jest.advanceTimersByTime(20)
  expect(names()).toEqual(['first', 'added'])
  jest.advanceTimersByTime(500)

  expect(names()).toEqual(['first', 'added', 'last'])
})

test('an expiry that removes others spares them', () => {
  const first = add('first', 10)
  const spared = add('spared', 10)
  onExpire = (publish) => {
    if (publish === first) deadlines.remove(spared)
  }
  add('last', 30)
  jest.advanceTimersByTime(100)

  expect(names()).toEqual(['first', 'last'])
})

/** So many are due at once, each expiry takes a millisecond, and the first sweep is over. */
function beginToExpire(count: number): void {
  let now = performance.now()
  for (let index = 0; index < count; index++) add(`${index}`, 10)
  now += 15
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  onExpire = () => void now++
  // The timer, and its turn of I/O.
  jest.advanceTimersByTime(11)
}

test('of very many that expire at once, the others have their turn after a few milliseconds', () => {
  beginToExpire(20)
  expect(expired.length).toBeGreaterThanOrEqual(5)
  expect(expired.length).toBeLessThan(20)
  for (let turn = 0; turn < 5; turn++) jest.advanceTimersToNextTimer()

  expect(names()).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`))
})

test('after stop nothing expires until something is added', () => {
  add('stopped', 10)
  deadlines.stop()
  jest.advanceTimersByTime(100)
  expect(expired).toEqual([])

  add('added', 20)
  jest.advanceTimersByTime(25)
  expect(names().sort()).toEqual(['added', 'stopped'])
})

test('a stop in the midst of very many ends that too', () => {
  beginToExpire(20)
  const { length } = expired
  deadlines.stop()
  jest.advanceTimersByTime(100)

  expect(length).toBeLessThan(20)
  expect(expired).toHaveLength(length)
})
