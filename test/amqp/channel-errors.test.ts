import { expect, test } from '@jest/globals'
import {
  abandonedChannel,
  guiltyMessage,
  isSuspicion,
  lostChannel,
  nacked,
  suspectedMessages,
  unroutable,
} from '../../lib/amqp/channel-errors.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { templateOf } from './recorded-owners.ts'

const cause = new Error('PRECONDITION_FAILED')
const toQueue = templateOf({ routingKey: 'celery' })
const toExchange = templateOf({ exchange: 'orders', routingKey: 'new' })

test('messages of a lost channel may have arrived, and can be sent again', () => {
  expect(lostChannel(cause)).toMatchObject({
    code: 'ERR_CHANNEL_CLOSED',
    message: 'the channel was lost: PRECONDITION_FAILED',
    outcome: 'unknown',
    retryable: true,
    cause,
  })
})

test('a channel that is lost without a reason went with its connection', () => {
  const error = lostChannel(undefined)
  expect(error.message).toBe('the channel was lost: the connection was closed')
  expect(Object.hasOwn(error, 'cause')).toBe(false)
})

test('messages of a channel that was closed on purpose may have arrived, and can be sent again', () => {
  expect(abandonedChannel('idle')).toMatchObject({
    code: 'ERR_CHANNEL_CLOSED',
    message: 'the channel was closed: idle',
    outcome: 'unknown',
    retryable: true,
  })
})

test('a suspicion is of unknown outcome, and the guilty message is refused; neither is sent again as it is', () => {
  const closed = { code: 'ERR_CHANNEL_CLOSED', message: 'PRECONDITION_FAILED', retryable: false, cause }
  expect(suspectedMessages(cause)).toMatchObject({ ...closed, outcome: 'unknown' })
  expect(guiltyMessage(cause)).toMatchObject({ ...closed, outcome: 'refused' })
  expect(guiltyMessage(cause, false)).toMatchObject({ ...closed, outcome: 'unknown' })
})

test('only a closed channel that is no one’s loss is a suspicion', () => {
  const refused = new PooledProducerError('ERR_NACKED', 'no', { retryable: false })
  expect([suspectedMessages(cause), lostChannel(cause), refused].map(isSuspicion)).toEqual([true, false, false])
})

test('a returned message is refused with the broker’s words and its place', () => {
  const reply = { replyCode: 312, replyText: 'NO_ROUTE' }
  const refused = { code: 'ERR_UNROUTABLE', outcome: 'refused' }
  expect(unroutable(toQueue, reply)).toMatchObject({
    ...refused,
    message: 'no queue took the message for queue celery (312 NO_ROUTE)',
  })
  expect(unroutable(toExchange, reply)).toMatchObject({
    ...refused,
    message: 'no queue took the message for exchange orders with routing key new (312 NO_ROUTE)',
  })
})

test('a nacked message is refused with its place', () => {
  expect(nacked(toQueue)).toMatchObject({
    code: 'ERR_NACKED',
    message: 'the broker refused the message for queue celery (basic.nack)',
    outcome: 'refused',
  })
})
