import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { CloseReason } from '../../lib/amqp/channel-culprit.ts'
import { isSuspicion } from '../../lib/amqp/channel-errors.ts'
import { Ledger } from '../../lib/amqp/ledger.ts'
import { MessageOutcomes, type OutcomeOwner } from '../../lib/amqp/message-outcomes.ts'
import type { MessageWriter } from '../../lib/amqp/message-writer.ts'
import type { ReturnedMessage } from '../../lib/amqp/returned-message.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { messageOf, type TestMessage, templateOf } from './recorded-owners.ts'

const CHANNEL = 'the channel'
const template = templateOf({ exchange: 'e', routingKey: 'k', mandatory: true })

type Owner = OutcomeOwner<TestMessage, string>
const confirmed = jest.fn<Owner['confirmed']>()
const refused = jest.fn<Owner['refused']>()
const orphaned = jest.fn<Owner['orphaned']>()
const answered = jest.fn()
const settled = jest.fn()

let ledger: Ledger<TestMessage>
let outcomes: MessageOutcomes<TestMessage, string>

beforeEach(() => {
  jest.useFakeTimers()
  for (const each of [confirmed, refused, orphaned, answered, settled]) each.mockClear()
  ledger = new Ledger()
  const writer = { answered, settled } as unknown as MessageWriter
  outcomes = new MessageOutcomes(ledger, writer, { confirmed, refused, orphaned }, CHANNEL)
})

afterEach(() => {
  jest.useRealTimers()
})

/** Messages that are on their way, the first with tag 1; each was written a millisecond after the one before it. */
function sent(count: number, of = template): TestMessage[] {
  return Array.from({ length: count }, (_, index) => {
    const message = messageOf(of, index + 1)
    ledger.add(message, performance.now())
    jest.advanceTimersByTime(1)
    return message
  })
}

/** As the broker sends a message back that no queue took. */
function returnOf({ body }: TestMessage, exchange = 'e'): ReturnedMessage {
  const fields = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey: 'k' }
  return { fields, properties: {} as ReturnedMessage['properties'], content: Buffer.from(body) }
}

/** As amqplib words the close of a channel. */
function closed(code: number, text: string): CloseReason {
  return Object.assign(new Error(`Channel closed by server: ${code} with message "${text}"`), {
    code,
    classId: 60,
    methodId: 40,
  })
}

describe('an answer', () => {
  test('is for its message alone, with the milliseconds since that was written and the channel', () => {
    const messages = sent(3)
    outcomes.settle(2, false, false)

    expect(confirmed.mock.calls).toEqual([[messages[1], 2, CHANNEL]])
    expect(settled.mock.calls).toEqual([[messages[1]]])
    expect([refused, orphaned].map(({ mock }) => mock.calls)).toEqual([[], []])
    expect([...ledger]).toEqual([messages[0], messages[2]])
  })

  test('is for all up to its message where it says so, oldest first, and the writer hears of it once', () => {
    const messages = sent(4)
    outcomes.settle(3, true, false)

    expect(confirmed.mock.calls).toEqual([
      [messages[0], 4, CHANNEL],
      [messages[1], 3, CHANNEL],
      [messages[2], 2, CHANNEL],
    ])
    expect(settled.mock.calls).toEqual([[messages[0]], [messages[1]], [messages[2]]])
    expect(answered).toHaveBeenCalledTimes(1)
  })

  test.each([false, true])('that is a no refuses its messages: multiple %p', (multiple) => {
    const [message] = sent(2)
    outcomes.settle(1, multiple, true)

    expect(refused.mock.calls).toEqual([[message, expect.any(PooledProducerError), CHANNEL]])
    expect(refused.mock.calls[0]?.[1]).toMatchObject({ code: 'ERR_NACKED', outcome: 'refused' })
    expect(confirmed).not.toHaveBeenCalled()
    expect(settled.mock.calls).toEqual([[message]])
  })

  test('to a message that is settled, or was never sent, tells nobody', () => {
    sent(1)
    for (const tag of [1, 1, 2]) outcomes.settle(tag, false, false)
    outcomes.settle(1, true, true)

    expect(confirmed).toHaveBeenCalledTimes(1)
    expect(refused).not.toHaveBeenCalled()
  })

  test('is progress only when the message that has waited longest has it', () => {
    sent(3)
    expect(outcomes.progressAt).toBe(0)
    outcomes.settle(2, false, false)
    outcomes.settle(2, false, false)
    expect(outcomes.progressAt).toBe(0)
    outcomes.settle(1, false, false)
    const now = performance.now()
    expect(outcomes.progressAt).toBe(now)
    jest.advanceTimersByTime(5)
    outcomes.settle(3, true, true)

    expect(outcomes.progressAt).toBe(now + 5)
  })
})

describe('a message that no queue took', () => {
  test.each([false, true])('is refused by what the broker said of it, whatever its answer: a nack, %p', (isNack) => {
    const [first, second] = sent(2)
    outcomes.markReturned(returnOf(second as TestMessage))
    outcomes.settle(2, false, isNack)

    expect(first?.returned).toBeUndefined()
    expect(refused.mock.calls).toEqual([[second, expect.any(PooledProducerError), CHANNEL]])
    expect(refused.mock.calls[0]?.[1]).toMatchObject({
      code: 'ERR_UNROUTABLE',
      message: 'no queue took the message for exchange e with routing key k (312 NO_ROUTE)',
    })
    expect(settled.mock.calls).toEqual([[second]])
    expect(confirmed).not.toHaveBeenCalled()
  })

  test('and that nobody here has sent changes nothing', () => {
    const [message] = sent(1) as [TestMessage]
    outcomes.markReturned(returnOf(message, 'of another'))
    outcomes.settle(1, false, false)

    expect(confirmed).toHaveBeenCalledTimes(1)
  })
})

describe('the end of a channel', () => {
  test('hands all that have no answer back, oldest first and once', () => {
    const messages = sent(3)
    const error = new PooledProducerError('ERR_CHANNEL_CLOSED', 'lost')
    outcomes.settle(2, false, false)
    outcomes.orphan(error)
    outcomes.orphan(error)

    expect(orphaned.mock.calls).toEqual([[[messages[0], messages[2]], error, CHANNEL]])
    expect(ledger.size).toBe(0)
  })

  test('without messages tells nobody', () => {
    outcomes.orphan(new PooledProducerError('ERR_CHANNEL_CLOSED', 'lost'))
    outcomes.blame(closed(404, "no exchange 'gone' in vhost '/'"))

    expect([refused, orphaned].map(({ mock }) => mock.calls)).toEqual([[], []])
  })

  test.each([0, 1, 2])('over message %p refuses that one, and the others may be sent again', (place) => {
    const guilty = messageOf(templateOf({ exchange: 'gone' }), 9)
    const innocent = [1, 2].map((number) => messageOf(template, number))
    for (const message of innocent.toSpliced(place, 0, guilty)) ledger.add(message, 0)
    const reason = closed(404, "NOT_FOUND - no exchange 'gone' in vhost '/'")
    outcomes.blame(reason)

    expect(refused.mock.calls).toEqual([[guilty, expect.any(PooledProducerError), CHANNEL]])
    expect(refused.mock.calls[0]?.[1]).toMatchObject({ outcome: 'refused', retryable: false, cause: reason })
    expect(orphaned.mock.calls).toEqual([[innocent, expect.any(PooledProducerError), CHANNEL]])
    const [, error] = orphaned.mock.calls[0] as Parameters<Owner['orphaned']>
    expect(error).toMatchObject({ outcome: 'unknown', retryable: true, cause: reason })
    expect(ledger.size).toBe(0)
  })

  test('over the only message refuses it, and hands none back', () => {
    const [message] = sent(1)
    outcomes.blame(closed(406, "PRECONDITION_FAILED - invalid expiration 'soon'"))

    expect(refused.mock.calls).toEqual([[message, expect.any(PooledProducerError), CHANNEL]])
    expect(orphaned).not.toHaveBeenCalled()
  })

  test('over one of several to the same place says that it may have been stored', () => {
    const messages = sent(2)
    outcomes.blame(closed(404, "NOT_FOUND - no exchange 'e' in vhost '/'"))

    expect(refused.mock.calls[0]).toEqual([messages[0], expect.objectContaining({ outcome: 'unknown' }), CHANNEL])
    expect(orphaned.mock.calls[0]?.[0]).toEqual([messages[1]])
  })

  test('over one that the broker does not name makes all of them suspects', () => {
    const messages = sent(2)
    outcomes.blame(closed(406, "PRECONDITION_FAILED - invalid expiration 'soon'"))

    expect(refused).not.toHaveBeenCalled()
    expect(orphaned.mock.calls).toEqual([[messages, expect.any(PooledProducerError), CHANNEL]])
    expect(isSuspicion(orphaned.mock.calls[0]?.[1] as PooledProducerError)).toBe(true)
  })

  test('over something else makes none of them a suspect', () => {
    const messages = sent(2)
    outcomes.blame(new Error('Expected BasicDeliver or BasicReturn'))

    expect(refused).not.toHaveBeenCalled()
    expect(orphaned.mock.calls).toEqual([[messages, expect.any(PooledProducerError), CHANNEL]])
    expect(isSuspicion(orphaned.mock.calls[0]?.[1] as PooledProducerError)).toBe(false)
  })
})
