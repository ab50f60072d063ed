import { expect, test } from '@jest/globals'
import { poolOptions } from '../../lib/options.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'

const MAIL = { exchange: 'shop', routingKey: 'mail', body: 'x', properties: { deliveryMode: 2, type: 'mail' } }

function bytesOf(message: Parameters<typeof prepare>[0]): number {
  const { template, values, body } = prepare(message, undefined)
  return new PendingPublish(template, values, body, undefined).bytes
}

test('messages that differ only in their bodies share their frames, and 100,000 small ones fit into a pool', () => {
  const [first, second, third] = ['a', 'bc', 'def'].map((body) => prepare({ ...MAIL, body }, undefined))

  expect(third?.template).toBe(second?.template)
  expect(third?.body).toBe('def')
  expect(first?.template.fields).toEqual(second?.template.fields)
  expect(bytesOf({ ...MAIL, body: 'four' })).toBe(604)
  expect(100_000 * bytesOf({ ...MAIL, body: 'x'.repeat(50) })).toBeLessThan(poolOptions().maxBufferedBytes)
})

test.each([
  ['exchange', { exchange: 'other' }],
  ['routing key', { routingKey: 'other' }],
  ['mandatory', { mandatory: true }],
  ['properties', { properties: { deliveryMode: 2, type: 'other' } }],
  ['number of properties, fewer', { properties: { deliveryMode: 2 } }],
  ['number of properties, more', { properties: { ...MAIL.properties, appId: 'mail' } }],
  ['names of properties', { properties: { deliveryMode: 2, appId: 'mail' } }],
])('messages of another %s have frames of their own', (_, other) => {
  for (let i = 0; i < 3; i++) prepare(MAIL, undefined)
  const { template } = prepare({ ...MAIL, ...other }, undefined)

  const fields = { exchange: 'shop', routingKey: 'mail', mandatory: false, properties: MAIL.properties }
  expect(template.fields).toEqual({ ...fields, ...other })
  expect(prepare(MAIL, undefined).template.fields).toEqual(fields)
})

test('a property that is undefined is not taken for another that is absent', () => {
  const before = { ...MAIL, properties: { deliveryMode: 2, type: undefined } } as never
  for (let i = 0; i < 3; i++) prepare(before, undefined)
  const { template } = prepare({ ...MAIL, properties: { deliveryMode: 2, appId: 'mail' } }, undefined)

  expect(template.fields.properties).toEqual({ deliveryMode: 2, appId: 'mail' })
})

test('a property that is undefined is as good as absent, and the frames are shared', () => {
  const properties = { deliveryMode: 2 }
  const templates = [{ ...properties, type: undefined }, properties, { appId: undefined, ...properties }].map(
    (given) => {
      return prepare({ ...MAIL, routingKey: 'absent', properties: given } as never, undefined).template
    },
  )

  expect(templates[2]).toBe(templates[1])
})

test('what a message leaves out is the default exchange, no property and not mandatory', () => {
  expect(prepare({ routingKey: 'q', body: '' }, undefined).template.fields).toEqual({
    exchange: '',
    routingKey: 'q',
    mandatory: false,
    properties: {},
  })
})

test('a body of bytes is copied: its owner may use them again', () => {
  const bytes = Buffer.from('before')
  const { body } = prepare({ ...MAIL, body: bytes }, undefined)
  bytes.write('after!')

  expect(body).toEqual(Buffer.from('before'))
})

test('a call may be bounded by its time and a signal, and by nothing else', () => {
  const { signal } = new AbortController()
  expect(() => prepare(MAIL, { timeoutMs: 1, signal })).not.toThrow()
  expect(() => prepare(MAIL, { block: true } as never)).toThrow(/block is no option here; known are timeoutMs, signal/)
})

test('a message that is wrong is refused before anything is made of it', () => {
  expect(() => prepare({ ...MAIL, body: 1 } as never, undefined)).toThrow(/message\.body must be a string/)
})

test('each message with headers has frames of its own, and counts them', () => {
  const properties = { headers: { a: 1 } }
  const templates = [1, 2, 3].map(() => prepare({ ...MAIL, properties }, undefined).template)

  expect(new Set(templates).size).toBe(3)
  expect(bytesOf({ ...MAIL, properties })).toBeGreaterThan(1_000)
})

test('headers that their owner changes afterwards are sent as they were, by amqplib’s publish too', () => {
  const nested = { bytes: Buffer.from('before'), list: [{ n: 1 }], none: null, ['__proto__']: 1 }
  const headers = Object.assign(Object.create({ inherited: 'yes' }), { count: 1, nested })
  const properties = { messageId: 'before', headers }
  const { template, values, body } = prepare({ ...MAIL, properties }, undefined)
  const before = template.publishArguments({ values, body })[3]
  properties.messageId = 'after'
  headers.count = 2
  nested.bytes.write('after!')
  nested.list.push({ n: 2 })
  Object.assign(nested.list[0] as object, { n: 3 })

  expect(before).toEqual({
    messageId: 'before',
    headers: {
      inherited: 'yes',
      count: 1,
      nested: { bytes: Buffer.from('before'), list: [{ n: 1 }], none: null, ['__proto__']: 1 },
    },
    mandatory: false,
  })
  expect(template.publishArguments({ values, body })[3]).toEqual(before)
})

test('properties that their owner changes afterwards are another message', () => {
  const properties = { type: 'before' }
  for (let i = 0; i < 3; i++) prepare({ ...MAIL, properties }, undefined)
  properties.type = 'after'

  expect(prepare({ ...MAIL, properties }, undefined).template.fields.properties).toEqual({ type: 'after' })
})
