import { expect, test } from '@jest/globals'
import { type AdmissionSettings, abortedPublish, admission } from '../../lib/pool/admission.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import type { Counters } from '../../lib/pool/stats.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const OPEN: AdmissionSettings = { maxWaiting: 10, maxBufferedBytes: 1e6, maxMessageBytes: 0 }

/** Why a message is not accepted, or nothing. */
function verdict(
  settings: Partial<AdmissionSettings> = {},
  counters: Partial<Counters> = {},
  body: string | Buffer = 'body',
  signal?: AbortSignal,
) {
  const publish = new PendingPublish(template, [], body, undefined)
  const held = { waiting: 0, bufferedBytes: publish.bytes, ...counters } as Counters
  return admission(publish, held, { ...OPEN, ...settings }, signal)
}

test('a message within all bounds is accepted, with a signal too', () => {
  expect(verdict()).toBeUndefined()
  expect(verdict({}, {}, 'body', new AbortController().signal)).toBeUndefined()
})

test('a signal that is aborted already comes before every bound', () => {
  const reason = new Error('changed my mind')
  const error = verdict({ maxWaiting: 0 }, {}, 'body', AbortSignal.abort(reason))

  expect(error).toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent', cause: reason, retryable: true })
  expect(error?.message).toBe('the publish was aborted by its signal')
  expect(abortedPublish(AbortSignal.abort(reason), 'unknown')).toMatchObject({ outcome: 'unknown', cause: reason })
})

test('as many may wait as maxWaiting says, and the next is told when to try again', () => {
  expect(verdict({ maxWaiting: 2 }, { waiting: 1 })).toBeUndefined()
  expect(verdict({ maxWaiting: 2 }, { waiting: 2 })).toMatchObject({
    code: 'ERR_POOL_EXHAUSTED',
    message: '2 publishes wait already, and maxWaiting is 2',
    outcome: 'not-sent',
    retryAfterMs: 1_000,
  })
})

test('one publish may wait for the end of its turn though maxWaiting is 0, and no second', () => {
  expect(verdict({ maxWaiting: 0 }, { waiting: 0 })).toBeUndefined()
  expect(verdict({ maxWaiting: 0 }, { waiting: 1 })).toMatchObject({ code: 'ERR_POOL_EXHAUSTED' })
})

test('a message that alone passes maxBufferedBytes is too large, however little is held', () => {
  const { bytes } = new PendingPublish(template, [], 'body', undefined)
  expect(verdict({ maxBufferedBytes: bytes })).toBeUndefined()
  expect(verdict({ maxBufferedBytes: bytes - 1 })).toMatchObject({
    code: 'ERR_MESSAGE_TOO_LARGE',
    message: `the message takes ${bytes} bytes, and maxBufferedBytes is ${bytes - 1}`,
    outcome: 'not-sent',
    retryable: false,
  })
})

test('maxBufferedBytes may be reached and not passed, and the error says by what', () => {
  const { bytes } = new PendingPublish(template, [], 'body', undefined)
  expect(verdict({ maxBufferedBytes: 5_000 }, { bufferedBytes: 5_000 })).toBeUndefined()
  expect(verdict({ maxBufferedBytes: 5_000 }, { bufferedBytes: 5_001 })).toMatchObject({
    code: 'ERR_POOL_EXHAUSTED',
    message: `${5_001 - bytes} bytes are held already; with this message's ${bytes} they pass maxBufferedBytes (5000)`,
    outcome: 'not-sent',
    retryAfterMs: 1_000,
  })
})

test.each([
  ['ASCII', 'x'.repeat(100), 'x'.repeat(101)],
  ['text by its bytes', 'é'.repeat(50), `${'é'.repeat(50)}x`],
  ['a Buffer', Buffer.alloc(100), Buffer.alloc(101)],
])('a body of maxMessageBytes is accepted, and one of a byte more is not: %s', (_, most, more) => {
  expect(verdict({ maxMessageBytes: 100 }, {}, most)).toBeUndefined()
  const error = verdict({ maxMessageBytes: 100 }, {}, more)

  expect(error).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent', retryable: false })
  expect(error?.message).toBe('the body has 101 bytes, and maxMessageBytes is 100')
  expect(error).not.toHaveProperty('retryAfterMs')
})

test('a maxMessageBytes of 0 bounds no body', () => {
  expect(verdict({ maxMessageBytes: 0 }, {}, 'x'.repeat(100_000))).toBeUndefined()
})
