import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { EventLog } from '../../lib/observe/log.ts'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import type { Obstacle } from '../../lib/pool/connection-set.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishLog } from '../../lib/pool/publish-log.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'
import type { ResultMaker } from '../../lib/pool/publish-request.ts'
import { outcomeOf, Settlement } from '../../lib/pool/settlement.ts'
import { Counters } from '../../lib/pool/stats.ts'
import { failureOf } from '../support/failure.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const channel = { id: 7 } as PooledChannel
const cause = new Error('cut')
const OBSTACLE: Obstacle = { code: 'ERR_BROKER_BLOCKED', reason: 'no memory', cause, retryAfterMs: 50 }
const LOST = new PooledProducerError('ERR_CHANNEL_CLOSED', 'cut', { outcome: 'unknown' })
let counters: Counters
let records: RecordedLog
let log: PublishLog
let settlement: Settlement

beforeEach(() => {
  jest.useFakeTimers()
  counters = new Counters()
  records = new RecordedLog()
  log = new PublishLog(new EventLog(records, 'shop'))
  settlement = new Settlement(counters, log, () => OBSTACLE)
})

afterEach(() => {
  settlement.stop()
  jest.useRealTimers()
})

/** A publish that is accepted, as a task where it has an id. */
function accepted(options: { id?: string; results?: ResultMaker; attempts?: number; signal?: AbortSignal } = {}) {
  const { id, results, attempts = 0, signal } = options
  const properties = id === undefined ? {} : { headers: { id, task: 'shop.ship' } }
  const { template } = prepare({ routingKey: 'q', body: '', properties }, undefined)
  const publish = Object.assign(new PendingPublish(template, results === undefined ? [] : ['b'], 'body', results), {
    attempts,
  })
  settlement.accept(publish, 100, signal, performance.now())
  return publish
}

test('what is accepted counts with its bytes until it has its outcome', () => {
  const { bytes } = accepted()
  const publish = accepted()
  expect(counters).toMatchObject({ publishes: 2, unsettled: 2, bufferedBytes: bytes + publish.bytes })
  settlement.confirm(publish, 2, channel)

  expect(counters).toMatchObject({ publishes: 2, unsettled: 1, bufferedBytes: bytes, confirms: 1 })
  expect(counters.confirmMs.summary().max).toBe(2)
})

test('a confirm resolves with a receipt, or with what is made of the id of a task', async () => {
  const [message, task, other] = [
    accepted({ attempts: 1 }),
    accepted({ id: 'a', attempts: 2 }),
    accepted({ results: { resultOf: (id) => `the result of ${id}` } }),
  ]
  for (const publish of [message, task, other]) settlement.confirm(publish, 2, channel)

  expect(await message.promise).toStrictEqual({ channel: 7, attempts: 1, confirmMs: 2 })
  expect(await task.promise).toEqual({ taskId: 'a', channel: 7, attempts: 2, confirmMs: 2 })
  expect(await other.promise).toBe('the result of b')
})

test('a confirm is logged only where that is wanted', () => {
  settlement.confirm(accepted(), 2, channel)
  expect(records.records).toEqual([])
  log.beginTurn()
  settlement.confirm(accepted(), 2, channel)

  expect(records.records).toMatchObject([{ event: 'publish.confirm', channel: 7 }])
})

test('a failure is counted by its code, logged, and carries the id of its task', async () => {
  const publish = accepted({ id: 'a' })
  settlement.fail(publish, LOST)

  expect(await failureOf(publish.promise)).toBe(LOST)
  expect(LOST).toMatchObject({ taskId: 'a' })
  expect(counters).toMatchObject({ failures: 1, confirms: 0, unsettled: 0, bufferedBytes: 0 })
  expect(counters.failuresByCode.get('ERR_CHANNEL_CLOSED')).toBe(1)
  expect(records.records).toMatchObject([{ event: 'publish.fail', taskId: 'a', code: 'ERR_CHANNEL_CLOSED' }])
})

test('the error of a message that is no task carries no id', async () => {
  const publish = accepted()
  const error = new PooledProducerError('ERR_NACKED', 'no')
  settlement.fail(publish, error)

  await failureOf(publish.promise)
  expect(Object.keys(error)).not.toContain('taskId')
})

test('the first outcome stands, whatever comes later', async () => {
  const [confirmed, failed] = [accepted(), accepted()]
  settlement.confirm(confirmed, 1, channel)
  settlement.fail(confirmed, LOST)
  settlement.fail(failed, LOST)
  settlement.confirm(failed, 1, channel)

  expect(await confirmed.promise).toMatchObject({ confirmMs: 1 })
  expect(await failureOf(failed.promise)).toBe(LOST)
  expect(counters).toMatchObject({ confirms: 1, failures: 1, unsettled: 0 })
})

test('what is refused before it is a publish is counted and logged as one that failed', async () => {
  const error = new PooledProducerError('ERR_INVALID_OPTION', 'bad')

  expect(await failureOf(settlement.refuse(error, 'shop.ship', 'a'))).toBe(error)
  expect(error).toMatchObject({ outcome: 'not-sent', taskId: 'a' })
  expect(counters).toMatchObject({ publishes: 1, failures: 1, unsettled: 0 })
  expect(records.records).toMatchObject([{ event: 'publish.fail', task: 'shop.ship', taskId: 'a', attempt: 0 }])

  const nameless = new PooledProducerError('ERR_INVALID_OPTION', 'bad')
  await failureOf(settlement.refuse(nameless, undefined, undefined))
  expect(Object.keys(nameless)).not.toContain('taskId')
})

test('all that are open can be failed, each with an error of its own', async () => {
  const [first, done, last] = [accepted({ id: 'a' }), accepted(), accepted({ id: 'b' })]
  settlement.confirm(done, 1, channel)
  settlement.failAll(({ id }) => new PooledProducerError('ERR_POOL_CLOSED', id))

  expect((await failureOf(first.promise)).message).toBe('a')
  expect((await failureOf(last.promise)).message).toBe('b')
  expect(counters).toMatchObject({ failures: 2, unsettled: 0 })
})

test('whoever waits for all to be settled is told by the last of them', async () => {
  let settled = 0
  await settlement.whenSettled()
  const [one, other] = [accepted(), accepted()]
  for (let waiter = 0; waiter < 2; waiter++) void settlement.whenSettled().then(() => settled++)
  settlement.confirm(one, 1, channel)
  await jest.advanceTimersByTimeAsync(0)
  expect(settled).toBe(0)
  settlement.confirm(other, 1, channel)
  await jest.advanceTimersByTimeAsync(0)
  expect(settled).toBe(2)

  settlement.confirm(accepted(), 1, channel)
  await jest.advanceTimersByTimeAsync(0)
  expect(settled).toBe(2)
})

test('a signal aborts its publish, and says what is known of the message', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const [waits, written] = [accepted({ signal }), accepted({ signal, attempts: 1 })]
  controller.abort(cause)

  expect(await failureOf(waits.promise)).toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent', cause })
  expect(await failureOf(written.promise)).toMatchObject({ code: 'ERR_ABORTED', outcome: 'unknown' })
})

test('a settled publish is let go of by its signal, its place and its deadline', async () => {
  const { signal } = new AbortController()
  const removed = jest.spyOn(signal, 'removeEventListener')
  const publish = accepted({ signal })
  const queue = new PublishQueue(counters)
  queue.push(publish)
  settlement.confirm(publish, 1, channel)

  expect(removed).toHaveBeenCalledTimes(1)
  expect([queue.length, counters.waiting, publish.place, publish.lane]).toEqual([0, 0, undefined, undefined])
})

test('a signal that is aborted already is not listened to', () => {
  const signal = AbortSignal.abort()
  const added = jest.spyOn(signal, 'addEventListener')
  accepted({ signal })
  expect(added).not.toHaveBeenCalled()
})

/** The error of a publish whose time is up. */
async function expired(publish: PendingPublish): Promise<PooledProducerError> {
  const failure = failureOf(publish.promise)
  await jest.advanceTimersByTimeAsync(105)
  return failure
}

test('a publish that was never written expires with what stood in its way', async () => {
  expect(await expired(accepted())).toMatchObject({
    code: 'ERR_BROKER_BLOCKED',
    message: expect.stringMatching(/^not sent in 10\d ms: no memory$/),
    outcome: 'not-sent',
    retryable: true,
    retryAfterMs: 50,
    cause,
  })
})

test.each([
  [1, 'once'],
  [3, '3 times'],
])('a publish that was written %d times and got no confirm expires as such', async (attempts, times) => {
  expect(await expired(accepted({ attempts }))).toMatchObject({
    code: 'ERR_PUBLISH_TIMEOUT',
    message: expect.stringMatching(new RegExp(`^no confirm in 10\\d ms \\(written ${times}\\)$`)),
    outcome: 'unknown',
    retryAfterMs: 50,
    cause,
  })
})

test('a publish that is in a line again after a fault expires with what stands in its way', async () => {
  const publish = accepted({ attempts: 1 })
  new PublishQueue(counters).push(publish)

  expect(await expired(publish)).toMatchObject({
    code: 'ERR_BROKER_BLOCKED',
    message: expect.stringMatching(/^not confirmed in 10\d ms: no memory$/),
    outcome: 'unknown',
    retryable: true,
  })
})

test('after stop nothing expires', async () => {
  accepted()
  settlement.stop()
  await jest.advanceTimersByTimeAsync(1_000)
  expect(counters.failures).toBe(0)
})

test('what is known of a message depends on whether it was written', () => {
  expect([outcomeOf(accepted()), outcomeOf(accepted({ attempts: 1 }))]).toEqual(['not-sent', 'unknown'])
})
