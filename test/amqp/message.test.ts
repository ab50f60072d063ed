import { expect, test } from '@jest/globals'
import { checkMessage, type Message } from '../../lib/amqp/message.ts'

test.each<[string, Message]>([
  ['the least', { routingKey: 'q', body: '' }],
  ['a Buffer', { routingKey: '', body: Buffer.from('b') }],
  ['another Uint8Array', { exchange: 'e', routingKey: 'k', body: new Uint8Array(3), mandatory: true }],
  [
    'all properties',
    {
      routingKey: 'k',
      body: 'b',
      properties: {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers: { a: 1 },
        deliveryMode: 2,
        priority: 255,
        correlationId: 'c',
        replyTo: 'r',
        expiration: '60000',
        messageId: 'm',
        timestamp: 1_700_000_000,
        type: 't',
        userId: 'guest',
        appId: 'app',
      },
    },
  ],
  [
    'undefined for absent',
    { routingKey: 'k', body: 'b', exchange: undefined, properties: { type: undefined } } as never,
  ],
  ['255 bytes', { routingKey: 'é'.repeat(127), body: 'b', properties: { headers: Object.freeze({}) } }],
])('a message is taken with %s', (_, message) => {
  expect(() => checkMessage(message)).not.toThrow()
})

const LEAST = { routingKey: 'q', body: 'b' }

test.each<[string, unknown, RegExp]>([
  ['no message', undefined, /^the message must be an object, got undefined$/],
  ['null', null, /^the message must be an object, got null$/],
  ['a text', 'hello', /^the message must be an object, got "hello"$/],
  ['no routing key', { body: 'b' }, /^message\.routingKey must be a string, got undefined$/],
  ['no body', { routingKey: 'q' }, /^message\.body must be a string, a Buffer or another Uint8Array, got undefined$/],
  ['an object for a body', { routingKey: 'q', body: { a: 1 } }, /^message\.body must be .*, got an object$/],
  ['an ArrayBuffer for a body', { routingKey: 'q', body: new ArrayBuffer(1) }, /got an instance of ArrayBuffer$/],
  ['a numeric exchange', { ...LEAST, exchange: 1 }, /^message\.exchange must be a string, got 1$/],
  ['a null exchange', { ...LEAST, exchange: null }, /^message\.exchange must be a string, got null$/],
  [
    'a long routing key',
    { ...LEAST, routingKey: 'x'.repeat(256) },
    /^message\.routingKey must be a string of 255 bytes at most/,
  ],
  [
    'a long exchange in UTF-8',
    { ...LEAST, exchange: 'é'.repeat(128) },
    /^message\.exchange must be a string of 255 bytes/,
  ],
  ['mandatory 1', { ...LEAST, mandatory: 1 }, /^message\.mandatory must be true or false, got 1$/],
  [
    'an unknown field',
    { ...LEAST, headers: {} },
    /^message\.headers is not known; known are exchange, routingKey, body/,
  ],
  ['null properties', { ...LEAST, properties: null }, /^message\.properties must be an object, got null$/],
  ['an unknown property', props({ persistent: true }), /^message\.properties\.persistent is not known; known are /],
  [
    'a numeric expiration',
    props({ expiration: 1_000 }),
    /^message\.properties\.expiration must be a string, got 1000$/,
  ],
  [
    'a long correlation id',
    props({ correlationId: 'x'.repeat(256) }),
    /correlationId must be a string of 255 bytes at most/,
  ],
  ['a null reply queue', props({ replyTo: null }), /^message\.properties\.replyTo must be a string, got null$/],
  [
    'a priority above 255',
    props({ priority: 256 }),
    /^message\.properties\.priority must be an integer from 0 to 255, got 256$/,
  ],
  ['a fraction for a priority', props({ priority: 1.5 }), /priority must be an integer/],
  ['a delivery mode in words', props({ deliveryMode: 'persistent' }), /deliveryMode must be an integer from 0 to 255/],
  ['NaN for a delivery mode', props({ deliveryMode: Number.NaN }), /deliveryMode must be an integer/],
  ['a Date', props({ timestamp: new Date() }), /timestamp must be a whole number of seconds, got an instance of Date$/],
  ['a negative timestamp', props({ timestamp: -1 }), /timestamp must be a whole number of seconds, got -1$/],
  ['a fraction of a second', props({ timestamp: 0.5 }), /timestamp must be a whole number/],
  [
    'a list of headers',
    props({ headers: ['a'] }),
    /^message\.properties\.headers must be an object, got an array of 1$/,
  ],
  ['null headers', props({ headers: null }), /^message\.properties\.headers must be an object, got null$/],
])('a message is refused with %s', (_, message, pattern) => {
  let error: unknown
  try {
    checkMessage(message as Message)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(pattern),
    outcome: 'not-sent',
    retryable: false,
  })
})

function props(properties: Record<string, unknown>): unknown {
  return { ...LEAST, properties }
}
