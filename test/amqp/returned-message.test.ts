import { expect, test } from '@jest/globals'
import type { Filling } from '../../lib/amqp/publish-template.ts'
import { findReturned, type ReturnedMessage } from '../../lib/amqp/returned-message.ts'
import { ID_SLOT, type TemplateFields } from '../../lib/amqp/template-fields.ts'
import { messageOf, type TestMessage, templateOf } from './recorded-owners.ts'

const PLACE = { exchange: 'orders', routingKey: 'new', mandatory: true }
const IDS = ['0f8fad5b-d9cb-469f-a165-70867728950e', '7c9e6679-7425-40de-944b-e07fc1f90ae7'] as const

let count = 0
function sent(properties: TemplateFields['properties'], filling: Partial<Filling> = {}, place = PLACE): TestMessage {
  return messageOf(templateOf({ ...place, properties }), count++, { body: 'body', ...filling })
}

/** As the broker sends it back. */
function returned(properties: object, body = 'body', place: object = PLACE): ReturnedMessage {
  const { exchange, routingKey } = { ...PLACE, ...place }
  const fields = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey }
  return { fields, properties: properties as ReturnedMessage['properties'], content: Buffer.from(body) }
}

test('a task is found by its correlation id, whatever it holds', () => {
  const [one, other] = IDS.map((id) => sent({ correlationId: ID_SLOT }, { values: [id] })) as [TestMessage, TestMessage]

  expect(findReturned(returned({ correlationId: IDS[1] }, 'other'), [one, other])).toBe(other)
})

test('a message is found by an id of its own, the correlation id before the message id', () => {
  const byCorrelation = sent({ correlationId: 'c', messageId: 'm' })
  const byMessage = sent({ messageId: 'm' })
  const messages = [byCorrelation, byMessage]

  expect(findReturned(returned({ messageId: 'm' }), messages)).toBe(byMessage)
  expect(findReturned(returned({ correlationId: 'c', messageId: 'm' }), [byMessage, byCorrelation])).toBe(byCorrelation)
})

test('of several with the id, the first was returned, whatever they hold', () => {
  const [first, second] = [sent({ messageId: 'm' }, { body: 'other' }), sent({ messageId: 'm' })]
  expect(findReturned(returned({ messageId: 'm' }), [first, second])).toBe(first)
})

test('one that was returned already is passed over', () => {
  const [first, second] = [sent({ messageId: 'm' }), sent({ messageId: 'm' })]
  first.returned = { replyCode: 312, replyText: 'NO_ROUTE' }
  expect(findReturned(returned({ messageId: 'm' }), [first, second])).toBe(second)
})

test.each([
  ['for another exchange', { exchange: 'other' }],
  ['for another routing key', { routingKey: 'other' }],
])('a message %s is not the one', (_, place) => {
  expect(findReturned(returned({ messageId: 'm' }, 'body', place), [sent({ messageId: 'm' })])).toBeUndefined()
})

test('a message that was not mandatory cannot have been returned', () => {
  const message = sent({ messageId: 'm' }, {}, { ...PLACE, mandatory: false })
  expect(findReturned(returned({ messageId: 'm' }), [message])).toBeUndefined()
})

test('a message without an id is not the one that has one, nor the other way round', () => {
  expect(findReturned(returned({ messageId: 'm' }), [sent({})])).toBeUndefined()
  expect(findReturned(returned({}), [sent({ messageId: 'm' })])).toBeUndefined()
})

test('messages without an id are told apart by their bodies, of text or of bytes', () => {
  const [text, bytes] = [sent({}, { body: 'one' }), sent({}, { body: Buffer.from('other') })]

  expect(findReturned(returned({}, 'other'), [text, bytes])).toBe(bytes)
  expect(findReturned(returned({}, 'one'), [bytes, text])).toBe(text)
})

test('messages without an id are told apart by their headers', () => {
  const [one, other] = [sent({ headers: { n: 1 } }), sent({ headers: { n: 2 } })]
  expect(findReturned(returned({ headers: { n: 2 } }), [one, other])).toBe(other)
})

test('to have no headers is to have none, as the broker tells it', () => {
  const [some, none] = [sent({ headers: { n: 1 } }), sent({})]
  expect(findReturned(returned({ headers: {} }), [some, none])).toBe(none)
})

test('where none has the content, the first at its place is the likeliest', () => {
  const [elsewhere, first, second] = [sent({}, {}, { ...PLACE, routingKey: 'other' }), sent({}), sent({})]
  expect(findReturned(returned({}, 'changed'), [elsewhere, first, second])).toBe(first)
})
