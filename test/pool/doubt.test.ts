import { expect, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { doubtful, isInDoubt } from '../../lib/pool/doubt.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const NACKED = new PooledProducerError('ERR_NACKED', 'no', { outcome: 'refused' })
const UNROUTABLE = new PooledProducerError('ERR_UNROUTABLE', 'no queue', { outcome: 'refused' })

function publishWith(state: Partial<PendingPublish>): PendingPublish {
  return Object.assign(new PendingPublish(template, [], '', undefined), state)
}

test('a message that was refused the first time is not in doubt', () => {
  expect(isInDoubt(publishWith({}), UNROUTABLE)).toBe(false)
})

test('a message whose channel was lost before is in doubt, whatever refuses it', () => {
  const lost = publishWith({ isInDoubt: true })
  expect([isInDoubt(lost, UNROUTABLE), isInDoubt(lost, NACKED)]).toEqual([true, true])
})

test('a message that was nacked before is in doubt, but for one more nack', () => {
  const nacked = publishWith({ nacked: { count: 1, firstAt: 0 } })
  expect([isInDoubt(nacked, UNROUTABLE), isInDoubt(nacked, NACKED)]).toEqual([true, false])
})

test('a message that was suspected before is in doubt, unless the channel is closed over it alone', () => {
  const suspect = publishWith({ isSuspect: true })
  const closed = new PooledProducerError('ERR_CHANNEL_CLOSED', 'no', { outcome: 'refused' })
  expect([NACKED, UNROUTABLE, closed].map((error) => isInDoubt(suspect, error))).toEqual([true, true, false])
})

test('the error of a message in doubt says so, keeps the reason, and promises nothing', () => {
  const cause = new Error('reason')
  const error = new PooledProducerError('ERR_UNROUTABLE', 'no queue', { outcome: 'refused', retryable: true, cause })

  expect(doubtful(error)).toMatchObject({
    code: 'ERR_UNROUTABLE',
    message: 'no queue; it was sent before, without a clear answer, and may have been stored then',
    outcome: 'unknown',
    retryable: true,
    cause,
  })
})
