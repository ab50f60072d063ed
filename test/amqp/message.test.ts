import { expect, test } from '@jest/globals'
import { checkMessage, type Message } from '../../lib/amqp/message.ts'

const LEAST = { routingKey: 'q', body: 'b' }

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
  [
    'headers of all types',
    {
      routingKey: 'k',
      body: 'b',
      properties: {
        headers: {
          text: '\ud83d\ude00',
          numbers: [0, -0, -1, 2 ** 70, -(2 ** 63), 2 ** 50 - 0.25],
          others: [true, null, Buffer.from('b')],
          none: undefined,
          table: Object.assign(Object.create(null), { empty: {} }),
          typed: [
            { '!': 'timestamp', value: 1n },
            { '!': 'double', value: Number.NaN },
          ],
        },
      },
    },
  ],
  ['a name of 255 bytes', header({ [`${'é'.repeat(127)}x`]: 1 }) as Message],
  ['50 levels', header(nested(48, (inner) => ({ inner }))) as Message],
  ['50 levels of lists', header(nested(48, (inner) => [inner])) as Message],
  ['255 bytes', { routingKey: `${'é'.repeat(127)}x`, body: 'b', properties: { headers: Object.freeze({}) } }],
  ['the least numbers', { routingKey: 'k', body: 'b', properties: { deliveryMode: 1, priority: 0, timestamp: 0 } }],
])('a message is taken with %s', (_, message) => {
  expect(() => checkMessage(message)).not.toThrow()
})

const circle: Record<string, unknown> = {}
circle.self = circle
const ring: unknown[] = []
ring.push(ring)
const typedCircle: Record<string, unknown> = { '!': 'number' }
typedCircle.value = typedCircle

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
  ['null properties', { ...LEAST, properties: null }, /^message\.properties must be a plain object, got null$/],
  ['a text for properties', { ...LEAST, properties: '' }, /^message\.properties must be a plain object, got ""$/],
  ['a Map of properties', { ...LEAST, properties: new Map() }, /must be a plain object, got an instance of Map$/],
  [
    'half a pair in the routing key',
    { ...LEAST, routingKey: '\ud800q' },
    /^message\.routingKey must be .* half a pair/,
  ],
  ['half a pair in the body', { ...LEAST, body: 'a\udc00b' }, /^message\.body must be .* half a pair of surrogates/],
  ['half a pair in an id', props({ messageId: '\udc00' }), /^message\.properties\.messageId must be .* half a pair/],
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
  ['a negative priority', props({ priority: -1 }), /priority must be an integer from 0 to 255, got -1$/],
  ['a fraction for a priority', props({ priority: 1.5 }), /priority must be an integer/],
  ['a delivery mode in words', props({ deliveryMode: 'persistent' }), /deliveryMode must be an integer from 0 to 255/],
  ['NaN for a delivery mode', props({ deliveryMode: Number.NaN }), /deliveryMode must be an integer/],
  ['a delivery mode of 3', props({ deliveryMode: 3 }), /^message\.properties\.deliveryMode must be 1 or 2, got 3$/],
  ['a delivery mode of 0', props({ deliveryMode: 0 }), /^message\.properties\.deliveryMode must be 1 or 2, got 0$/],
  ['a Date', props({ timestamp: new Date() }), /timestamp must be a whole number of seconds, got an instance of Date$/],
  ['a negative timestamp', props({ timestamp: -1 }), /timestamp must be a whole number of seconds, got -1$/],
  ['a fraction of a second', props({ timestamp: 0.5 }), /timestamp must be a whole number/],
  [
    'a list of headers',
    props({ headers: ['a'] }),
    /^message\.properties\.headers must be an object, got an array of 1$/,
  ],
  ['a text for headers', props({ headers: 'a' }), /^message\.properties\.headers must be an object, got "a"$/],
  ['null headers', props({ headers: null }), /^message\.properties\.headers must be an object, got null$/],
  [
    'a Map of headers',
    props({ headers: new Map() }),
    /^message\.properties\.headers must be .*, got an instance of Map$/,
  ],
  ['a Date in a header', header(new Date(0)), /^message\.properties\.headers\.a must be .*, got an instance of Date$/],
  ['a Map in a header', header({ b: [new Map()] }), /headers\.a\.b\[0\] must be .*, got an instance of Map$/],
  [
    'a Set in a header',
    header(new Set([1])),
    /headers\.a must be a string, a number, a boolean, null, a Buffer, or an array or plain object of these, got an instance of Set$/,
  ],
  ['bytes that are no Buffer', header(new Uint8Array(2)), /headers\.a must be .*, got an instance of Uint8Array$/],
  ['a function in a header', header(() => 1), /headers\.a must be .*, got a function$/],
  ['a BigInt in a header', header(1n), /headers\.a must be .*, got 1n$/],
  ['undefined in a list', header([1, undefined]), /headers\.a\[1\] must be .*, got undefined$/],
  ['a hole in a list', header(new Array(1)), /headers\.a\[0\] must be .*, got undefined$/],
  ['NaN in a header', header(Number.NaN), /headers\.a must be a whole number from -2\^63 or a fraction .*, got NaN$/],
  ['an infinite header', header(Number.POSITIVE_INFINITY), /headers\.a must be a whole number .*, got Infinity$/],
  ['a fraction that is too large', header(2 ** 50 + 0.5), /headers\.a must be a whole number/],
  ['an integer below 64 bits', header(-(2 ** 64)), /headers\.a must be a whole number/],
  ['half a pair of surrogates', header('a\ud800b'), /headers\.a holds half a pair of surrogates, got "a\\ud800b"$/],
  ['half a pair, typed', header({ '!': 'string', value: '\ud800' }), /headers\.a\.value holds half a pair/],
  [
    'a name of half a pair',
    header({ '\udc00': 1 }),
    /headers\.a has a name with half a pair of surrogates: "\\udc00"$/,
  ],
  ['a long name', header({ ['é'.repeat(128)]: 1 }), /headers\.a has a name of more than 255 bytes: "é{60}\.\.\."$/],
  ['the least fraction that is too large', header(2 ** 50 + 0.25), /headers\.a must be a whole number/],
  ['a circle of types', header(typedCircle), /headers\.a(\.value){50} is nested deeper than 50 levels$/],
  ['a circle', header(circle), /headers\.a(\.self){50} is nested deeper than 50 levels$/],
  ['a circle of lists', header(ring), /headers\.a(\[0\]){50} is nested deeper than 50 levels$/],
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

/** An empty list in so many others, or what else wraps it. */
function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = wrap(1)
  for (let level = 1; level < levels; level++) value = wrap(value)
  return value
}

function header(value: unknown): unknown {
  return props({ headers: { a: value } })
}

function props(properties: Record<string, unknown>): unknown {
  return { ...LEAST, properties }
}
