import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { PooledProducerError } from '../../lib/errors.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { closedPool, type Parts, shutDown } from '../../lib/pool/shutdown.ts'
import { Counters } from '../../lib/pool/stats.ts'

/** What was called, in order. */
let steps: string[]
let counters: Counters
let settled: () => void
let open: PendingPublish[]
/** The errors that whoever waits, or is open, got. */
let acquireError: PooledProducerError | undefined
let publishErrors: PooledProducerError[]
let hung: Promise<void> | undefined

beforeEach(() => {
  jest.useFakeTimers()
  steps = []
  counters = new Counters()
  open = []
  publishErrors = []
  hung = undefined
})

afterEach(() => {
  jest.useRealTimers()
})

/** A message that was written so many times. */
function written(messageId: string, attempts: number): PendingPublish {
  const { template } = prepare({ routingKey: 'q', body: '', properties: { messageId } }, undefined)
  return Object.assign(new PendingPublish(template, [], '', undefined), { attempts })
}

/** A pool whose parts note what they are told. */
function parts(): Parts {
  const note = (step: string) => async () => void steps.push(step)
  return {
    leases: {
      rejectAll: (error: () => PooledProducerError) => {
        acquireError = error()
        steps.push('leases reject')
      },
      stop: note('leases stop'),
    },
    subscriptions: { close: note('subscriptions close') },
    settlement: {
      whenSettled: () => {
        steps.push('wait')
        return new Promise<void>((resolve) => {
          settled = resolve
        })
      },
      failAll: (error: (publish: PendingPublish) => PooledProducerError) => {
        steps.push('settle')
        publishErrors = open.map(error)
      },
      stop: note('settlement stop'),
    },
    channels: { close: note('channels close') },
    factory: {
      open: new Set([{ destroy: (reason: string) => hung ?? note(`destroy: ${reason}`)() }]),
    },
    connections: { close: (limitMs: number) => note(`connections close in ${limitMs}`)() },
    counters,
  } as unknown as Parts
}

test('what was accepted is waited for, and all is closed from the callers to the sockets', async () => {
  counters.confirms = 5
  const closing = shutDown(parts(), 10_000)
  await jest.advanceTimersByTimeAsync(999)
  expect(steps).toEqual(['leases reject', 'wait'])
  counters.confirms = 7
  settled()

  expect(await closing).toEqual({ confirmed: 2, unknown: [], notSent: [] })
  expect(steps).toEqual([
    'leases reject',
    'wait',
    'settle',
    'channels close',
    'destroy: pool closed',
    'subscriptions close',
    'connections close in 2000',
    'settlement stop',
    'leases stop',
  ])
  expect(acquireError).toMatchObject({
    code: 'ERR_POOL_CLOSED',
    message: 'the pool was closed while this acquire waited',
    outcome: 'not-sent',
  })
})

test('what has no answer in time fails with what is known of it, and is told by its id', async () => {
  open = [written('a', 1), written('b', 0), written('c', 2)]
  const closing = shutDown(parts(), 1_000)
  await jest.advanceTimersByTimeAsync(1_000)

  expect(await closing).toEqual({ confirmed: 0, unknown: ['a', 'c'], notSent: ['b'] })
  const message = 'the pool was closed; no confirm came in 1000 ms'
  expect(publishErrors).toMatchObject([
    { code: 'ERR_POOL_CLOSED', message, outcome: 'unknown' },
    { code: 'ERR_POOL_CLOSED', message, outcome: 'not-sent' },
    { code: 'ERR_POOL_CLOSED', message, outcome: 'unknown' },
  ])
  // The broker has had its time.
  expect(steps).toContain('connections close in 200')
})

test.each([
  ['two seconds, however long the whole may take', 10_000, 2_000, 2_000],
  ['the whole, with a little for the connections', 1_000, 1_000, 200],
  ['a little where there is no time', 100, 200, 200],
])('a channel whose close hangs holds nothing up for longer than %s', async (_, timeoutMs, hungMs, leftMs) => {
  hung = new Promise(() => {})
  const closing = shutDown(parts(), timeoutMs)
  settled()
  await jest.advanceTimersByTimeAsync(hungMs - 1)
  expect(steps.at(-1)).toBe('subscriptions close')
  await jest.advanceTimersByTimeAsync(1)

  await closing
  expect(steps).toContain(`connections close in ${leftMs}`)
})

test('a pool that is closed has sent nothing, unless it is known otherwise', () => {
  expect(closedPool('closed')).toMatchObject({ code: 'ERR_POOL_CLOSED', message: 'closed', outcome: 'not-sent' })
  expect(closedPool('closed', 'unknown').outcome).toBe('unknown')
})
