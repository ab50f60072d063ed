import { expect, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import type { Resending } from '../../lib/pool/publish-request.ts'
import { mayResend, pauseMsOf, resendable } from '../../lib/pool/resending.ts'
import type { Settlement } from '../../lib/pool/settlement.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const TWICE: Resending = { maxRetries: 2, firstPauseMs: 100, stepMs: 200, maxPauseMs: 450 }

/** A message that was written so many times. */
function written(attempts: number, resending: Resending | undefined): PendingPublish {
  return Object.assign(new PendingPublish(template, [], '', undefined), { attempts, resending })
}

/** Which of the messages may be written again, and the errors of the others. */
function sorted(publishes: PendingPublish[], error: PooledProducerError) {
  const failed = new Map<PendingPublish, PooledProducerError>()
  const settlement = { fail: (publish: PendingPublish, reason: PooledProducerError) => failed.set(publish, reason) }
  return { again: resendable(publishes, error, settlement as unknown as Settlement), failed }
}

test('a message may be written again as often as its retries allow, and without a limit when it has none', () => {
  expect([1, 2, 3].map((attempts) => mayResend(written(attempts, TWICE)))).toEqual([true, true, false])
  expect(mayResend(written(1, { ...TWICE, maxRetries: 0 }))).toBe(false)
  expect(mayResend(written(1_000, undefined))).toBe(true)
})

test('the pauses begin with the first, grow by the step and stop at the longest', () => {
  expect([1, 2, 3, 4].map((attempts) => pauseMsOf(written(attempts, TWICE)))).toEqual([100, 300, 450, 450])
  expect(pauseMsOf(written(3, undefined))).toBe(0)
})

test('those that may not be written again fail with the reason, how often they were written, and what is known', () => {
  const cause = new Error('cut')
  const lost = new PooledProducerError('ERR_CHANNEL_CLOSED', 'the channel was lost', { cause, outcome: 'unknown' })
  const [once, thrice, open] = [written(1, { ...TWICE, maxRetries: 0 }), written(3, TWICE), written(2, TWICE)]
  const { again, failed } = sorted([once, open, thrice], lost)

  expect(again).toEqual([open])
  const details = { code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown', cause, retryable: true }
  expect([...failed.keys()]).toEqual([once, thrice])
  expect(failed.get(once)).toMatchObject({
    ...details,
    message: 'the channel was lost (written once, and not again by wish)',
  })
  expect(failed.get(thrice)).toMatchObject({
    ...details,
    message: 'the channel was lost (written 3 times, and not again by wish)',
  })
})
