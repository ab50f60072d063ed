import { expect, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { isChannelGone, unwritten } from '../../lib/pool/unwritten.ts'
import { ScriptedChannel } from '../amqp/scripted-channel.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)

/** A message that was written so many times before. */
function writtenBefore(attempts: number): PendingPublish {
  return Object.assign(new PendingPublish(template, [], '', undefined), { attempts })
}

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

test('what amqplib throws on a channel that it has given up says that the channel is gone', () => {
  const script = new ScriptedChannel()
  script.lose()
  const thrown = thrownBy(() => script.raw.publish('', 'q', Buffer.alloc(0)))

  expect(thrown).toBeInstanceOf(Error)
  expect(isChannelGone(thrown)).toBe(true)
})

test.each([
  ['an error over the message', new TypeError('Field contentType must be a string')],
  ['a refusal of ours', new PooledProducerError('ERR_MESSAGE_TOO_LARGE', 'the headers are too large')],
  ['nothing', undefined],
  ['no error, for all its name', { name: 'IllegalOperationError' }],
])('%s does not say that the channel is gone', (_, thrown) => {
  expect(isChannelGone(thrown)).toBe(false)
})

test.each<[string, unknown, string, string]>([
  [
    'what it has no room for',
    new RangeError('offset is out of range'),
    'ERR_MESSAGE_TOO_LARGE',
    'offset is out of range',
  ],
  ['what it has no bytes for', new TypeError('no such type'), 'ERR_INVALID_OPTION', 'no such type'],
  ['what throws no error', 'a text', 'ERR_INVALID_OPTION', 'a text'],
])('amqplib’s encoder has %s against a message: it was not sent', (_, thrown, code, reason) => {
  const error = unwritten(writtenBefore(0), thrown)

  expect(error).toBeInstanceOf(PooledProducerError)
  expect(error).toMatchObject({ code, message: `the message cannot be encoded: ${reason}`, outcome: 'not-sent' })
  expect(error.cause).toBe(thrown)
})

test('what our encoder has against a message is told as it is', () => {
  const refusal = new PooledProducerError('ERR_MESSAGE_TOO_LARGE', 'too large', { outcome: 'not-sent' })
  expect(unwritten(writtenBefore(0), refusal)).toBe(refusal)
})

test.each<[string, unknown]>([
  ['ours', new PooledProducerError('ERR_MESSAGE_TOO_LARGE', 'too large', { outcome: 'not-sent' })],
  ['amqplib’s', new RangeError('too large')],
])('a message that was written before may have been stored then, whatever encoder refuses it now: %s', (_, thrown) => {
  const error = unwritten(writtenBefore(1), thrown)

  expect(error).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'unknown' })
  expect(error.message).toMatch(/too large; it was sent before, without a clear answer, and may have been stored then$/)
})
