import { expect, test } from '@jest/globals'
import { type CloseReason, findCulprit } from '../../lib/amqp/channel-culprit.ts'
import { PublishTemplate } from '../../lib/amqp/publish-template.ts'

const PUBLISH = { classId: 60, methodId: 40 }

/** What RabbitMQ 3.10 says, as amqplib words it. */
function closed(code: number, name: string, text: string, method: { classId?: number; methodId?: number } = PUBLISH) {
  const message = `Channel closed by server: ${code} (${name}) with message "${text}"`
  return Object.assign(new Error(message), { code, ...method }) as CloseReason
}

function message(exchange: string, body: string | Buffer = 'body', routingKey = 'k') {
  return { template: new PublishTemplate({ exchange, routingKey, mandatory: true, properties: {} }), body }
}

const THREE = [message('a'), message('b'), message('c', 'longer')]
const notFound = (exchange: string, method = PUBLISH) => {
  return closed(404, 'NOT-FOUND', `NOT_FOUND - no exchange '${exchange}' in vhost '/'`, method)
}
const refusedAccess = (exchange: string) => {
  return closed(
    403,
    'ACCESS-REFUSED',
    `ACCESS_REFUSED - access to exchange '${exchange}' in vhost 'v' refused for user 'u'`,
  )
}
const refusedTopic = (routingKey: string, exchange: string) => {
  const text = `ACCESS_REFUSED - access to topic '${routingKey}' in exchange '${exchange}' in vhost 'v' refused for user 'u'`
  return closed(403, 'ACCESS-REFUSED', text)
}
const TOPICS = ['good', 'bad', 'good'].map((routingKey) => message('amq.topic', 'body', routingKey))
const tooLarge = (size: number) => {
  const text = `PRECONDITION_FAILED - message size ${size} is larger than configured max size 2`
  return closed(406, 'PRECONDITION-FAILED', text)
}
const badExpiration = closed(
  406,
  'PRECONDITION-FAILED',
  `PRECONDITION_FAILED - invalid expiration 'soon': {error,badarg}`,
)

test.each([
  'Expected BasicDeliver or BasicReturn; got <Content>',
  'Expected a frame; got "Channel closed by server: 404 (NOT-FOUND)"',
])('a broker that broke the protocol said nothing against a message: %s', (text) => {
  const reason = Object.assign(new Error(text), { code: 505 })

  expect(findCulprit(reason, [message('a')])?.index).toBe(-1)
})

test.each<[string, CloseReason, ReturnType<typeof message>[], number | undefined]>([
  ['a missing exchange', notFound('b'), THREE, 1],
  ['a missing exchange that the oldest message names', notFound('a'), THREE, 0],
  [
    'a missing exchange that two messages name, of which the first is the one',
    notFound('b'),
    [...THREE, message('b')],
    1,
  ],
  ['a missing exchange with a quote in its name', notFound("it's"), [message("it'"), message("it's")], 1],
  ['a missing exchange with RabbitMQ’s own words in its name', notFound("x' in vhost '/"), THREE, undefined],
  ['a missing exchange that no message names', notFound('d'), THREE, undefined],
  ['a forbidden exchange', refusedAccess('c'), THREE, 2],
  ['the forbidden default exchange', refusedAccess(''), [message('a'), message('')], 1],
  ['a forbidden topic, which is its exchange and its routing key', refusedTopic('bad', 'amq.topic'), TOPICS, 1],
  ['a forbidden topic of another exchange', refusedTopic('bad', 'b'), [...TOPICS, message('b', 'body', 'bad')], 3],
  ['a forbidden topic with quotes in it', refusedTopic("it's", 'b'), [message('b'), message('b', 'body', "it's")], 1],
  ['a forbidden topic that no message has', refusedTopic('worse', 'amq.topic'), TOPICS, undefined],
  [
    'a forbidden topic that is told in other words',
    closed(403, 'ACCESS-REFUSED', "ACCESS_REFUSED - access to topic 'bad' of exchange 'amq.topic' refused"),
    TOPICS,
    undefined,
  ],
  [
    'a forbidden topic whose exchange is cut off',
    closed(403, 'ACCESS-REFUSED', `ACCESS_REFUSED - access to topic 'exchange 'a' in vhost`),
    THREE,
    undefined,
  ],
  ['a message too large by its number of bytes', tooLarge(6), THREE, 2],
  ['a message too large by its bytes, not its characters', tooLarge(4), [message('a', 'abcdé'), message('b', 'éé')], 1],
  ['a Buffer that is too large', tooLarge(3), [message('a', 'ab'), message('b', Buffer.alloc(3))], 1],
  ['a message too large by all digits of its size', tooLarge(10), [message('a', 'x'), message('b', '0123456789')], 1],
  ['a message too large of a size that none has', tooLarge(1_000), THREE, undefined],
  ['a bad expiration, which names nobody', badExpiration, THREE, undefined],
  ['a bad expiration of the only message', badExpiration, [message('a')], 0],
  ['a bad header, which is reported without a method', notFound('b', { classId: 60, methodId: 0 }), THREE, 1],
  ['a fault that is reported without class and method', closed(541, 'INTERNAL-ERROR', 'oh', {}), THREE, undefined],
  ['a fault of no class', closed(541, 'INTERNAL-ERROR', 'oh', { classId: 0, methodId: 0 }), [message('a')], 0],
  [
    'a queue that another operation did not find',
    closed(404, 'NOT-FOUND', 'no queue', { classId: 50, methodId: 10 }),
    THREE,
    -1,
  ],
  [
    'an exchange.unbind, whose method has the number of basic.publish',
    closed(404, 'NOT-FOUND', "no exchange 'a' in vhost '/'", { classId: 40, methodId: 40 }),
    THREE,
    -1,
  ],
  [
    'a consumer’s unknown delivery tag',
    closed(406, 'PRECONDITION-FAILED', 'x', { classId: 60, methodId: 80 }),
    THREE,
    -1,
  ],
  [
    'another operation’s fault, with one message on its way',
    closed(404, 'NOT-FOUND', 'x', { classId: 40, methodId: 10 }),
    [message('a')],
    -1,
  ],
  [
    'another operation’s fault, with no message on its way',
    closed(404, 'NOT-FOUND', 'x', { classId: 40, methodId: 10 }),
    [],
    -1,
  ],
  ['a missing exchange, with no message on its way', notFound('b'), [], undefined],
])('the culprit of %s', (_, reason, outstanding, expected) => {
  expect(findCulprit(reason, outstanding)?.index).toBe(expected)
})

test.each<[string, CloseReason, ReturnType<typeof message>[], boolean]>([
  ['the only message of a missing exchange is', notFound('b'), THREE, true],
  ['the first of two messages of a missing exchange is not', notFound('b'), [...THREE, message('b')], false],
  ['the first of two messages of a forbidden exchange is not', refusedAccess('a'), [...THREE, message('a')], false],
  ['the only message of a forbidden topic is', refusedTopic('bad', 'amq.topic'), TOPICS, true],
  ['the first of two messages of a forbidden topic is not', refusedTopic('good', 'amq.topic'), TOPICS, false],
  ['the first of two messages too large is', tooLarge(4), THREE, true],
  ['the only message on its way is', badExpiration, [message('a')], true],
  ['none of them, when another operation failed, is', closed(404, 'NOT-FOUND', 'x', { classId: 40 }), THREE, true],
])('%s certain to be the culprit', (_, reason, outstanding, isCertain) => {
  expect(findCulprit(reason, outstanding)?.isCertain).toBe(isCertain)
})
