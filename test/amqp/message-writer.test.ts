import type { Duplex } from 'node:stream'
import { beforeEach, describe, expect, jest, test } from '@jest/globals'
import { type MessageWriter, type WritableMessage, writerFor } from '../../lib/amqp/message-writer.ts'
import { textSlot } from '../../lib/amqp/template-fields.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'
import { messageOf, templateOf } from './recorded-owners.ts'
import { ScriptedChannel } from './scripted-channel.ts'

/** What of amqplib's own connection is looked at. */
interface Inner {
  readonly stream: Duplex
  frameMax: number
  sendBytes(bytes: Buffer): void
}

const template = templateOf({ routingKey: 'q' })
const drained = jest.fn()
let script: ScriptedChannel
let inner: Inner

beforeEach(() => {
  drained.mockClear()
  script = new ScriptedChannel()
  inner = script.raw.connection as unknown as Inner
})

function open(fastPath: boolean, frameMax?: number): MessageWriter {
  return writerFor(script.raw, { fastPath, frameMax }, drained)
}

function holding(body: string | Buffer): WritableMessage {
  return messageOf(template, 0, { body })
}

/** Headers in a frame of over 5,000 bytes. */
const LONG = messageOf(templateOf({ routingKey: 'q', properties: { headers: { note: textSlot(1) } } }), 0, {
  values: ['', 'x'.repeat(5_000)],
})

describe('the writer for a channel', () => {
  test.each(WRITE_PATHS)('is what was asked for: %s', async (_, fastPath) => {
    const writer = open(fastPath)
    expect(writer).toMatchObject({ isFast: fastPath, isCongested: false, isBypassed: false })
    for (const body of ['one', 'two']) writer.write(holding(body))
    writer.flush()

    expect(await script.taken()).toEqual(['BasicPublish', 'one', 'BasicPublish', 'two'])
  })

  test('takes the confirms away from amqplib where amqplib does not know what was written, and only there', () => {
    const listeners = () => ['ack', 'nack'].map((event) => script.raw.listenerCount(event))
    open(false)
    expect(listeners()).toEqual([1, 1])
    open(true)
    expect(listeners()).toEqual([0, 0])
  })

  test('goes through the publish of a tracer that is there already', () => {
    const { raw } = script
    const publish = jest.fn(raw.publish)
    raw.publish = publish
    const writer = open(true)
    expect(writer).toMatchObject({ isFast: false, isBypassed: false })
    writer.write(holding('seen'))

    expect(publish.mock.calls).toEqual([['', 'q', Buffer.from('seen'), { mandatory: false }, expect.any(Function)]])
  })

  test('says that a tracer which comes later is bypassed, unless it writes through publish anyway', () => {
    const [fast, slow] = [open(true), open(false)]
    script.raw.publish = () => true

    expect([fast.isBypassed, slow.isBypassed]).toEqual([true, false])
  })

  test.each(WRITE_PATHS)(
    'takes no frame that is larger than agreed on, and writes nothing of it: %s',
    async (_, fastPath) => {
      inner.frameMax = 4_096
      const writer = open(fastPath, 4_096)
      expect(() => writer.write(LONG)).toThrow(expect.objectContaining({ code: 'ERR_MESSAGE_TOO_LARGE' }))
      writer.write(holding('next'))
      writer.flush()

      expect(await script.taken()).toEqual(['BasicPublish', 'next'])
    },
  )

  test('takes the frames that RabbitMQ takes where amqplib does not show what was agreed', async () => {
    const writer = open(false)
    writer.write(LONG)

    expect(await script.taken()).toEqual(['BasicPublish', 'message 0'])
  })
})

describe('frames encoded ahead', () => {
  /** The pieces that were handed over. */
  let sent: Buffer[]

  beforeEach(() => {
    sent = []
    const { sendBytes } = inner
    inner.sendBytes = (frames) => {
      sent.push(frames)
      sendBytes.call(inner, frames)
    }
  })

  /** So many bytes wait for the kernel. */
  function backlog(bytes: number): void {
    Object.defineProperty(inner.stream, 'writableLength', { value: bytes, configurable: true })
  }

  test('leave with the flush, in one piece, and nothing leaves twice', () => {
    const writer = open(true)
    for (const body of ['one', 'two']) writer.write(holding(body))
    expect(sent).toEqual([])
    writer.flush()
    writer.flush()

    expect(sent).toHaveLength(1)
  })

  test('leave before the flush when their memory is full, in their order', async () => {
    const writer = open(true)
    const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(30_000))
    for (const body of bodies) writer.write(holding(Buffer.from(body)))
    expect(sent).toHaveLength(1)
    writer.flush()

    expect((await script.taken()).filter((name) => name !== 'BasicPublish')).toEqual(bodies)
  })

  test('of a message larger than all memory leave whole, behind what was written before', async () => {
    const writer = open(true)
    const large = 'x'.repeat(100_000)
    for (const body of ['first', large, 'last']) writer.write(holding(Buffer.from(body)))
    writer.flush()

    expect(await script.taken()).toEqual(['first', large, 'last'].flatMap((body) => ['BasicPublish', body]))
  })

  test('take the same memory again once the kernel has what it held', () => {
    const writer = open(true)
    for (const body of ['one', 'two']) {
      writer.write(holding(body))
      writer.flush()
    }

    expect(sent[1]?.buffer).toBe(sent[0]?.buffer)
    expect(sent[1]?.byteOffset).toBe(sent[0]?.byteOffset)
  })

  test('keep their memory while the kernel has not taken them', async () => {
    script.stall()
    const writer = open(true)
    for (const body of ['one', 'two', 'thr']) {
      writer.write(holding(body))
      writer.flush()
    }
    script.resume()

    expect(await script.taken()).toEqual(['one', 'two', 'thr'].flatMap((body) => ['BasicPublish', body]))
  })

  test('pile up to 256 KiB that the kernel has not taken, and no further', () => {
    const writer = open(true)
    backlog(256 * 1024)
    writer.write(holding('one'))
    writer.flush()
    expect(writer.isCongested).toBe(false)
    backlog(256 * 1024 + 1)
    writer.write(holding('two'))
    expect(writer.isCongested).toBe(false)
    writer.flush()

    expect(writer.isCongested).toBe(true)
  })

  test('may be written again once the kernel has taken what there was, and that is told once', () => {
    const writer = open(true)
    backlog(2 ** 20)
    for (const body of ['one', 'two']) {
      writer.write(holding(body))
      writer.flush()
    }
    expect(drained).not.toHaveBeenCalled()
    backlog(0)
    inner.stream.emit('drain')

    expect(writer.isCongested).toBe(false)
    expect(drained).toHaveBeenCalledTimes(1)
  })
})

describe("amqplib's own publish", () => {
  const MIB = 2 ** 20

  test('has no answer yet to a mebibyte at most, which is counted in bytes', () => {
    const writer = open(false)
    const [most, letter, one] = ['x'.repeat(MIB - 2), 'é', Buffer.from('x')].map(holding) as [
      WritableMessage,
      WritableMessage,
      WritableMessage,
    ]
    for (const message of [most, letter]) writer.write(message)
    expect(writer.isCongested).toBe(false)
    for (const message of [one, one, one]) writer.write(message)
    expect(writer.isCongested).toBe(true)
    writer.settled(letter)
    expect(writer.isCongested).toBe(true)
    expect(drained).not.toHaveBeenCalled()
    writer.settled(one)

    expect(writer.isCongested).toBe(false)
    expect(drained).toHaveBeenCalledTimes(1)
    for (const message of [one, one, most]) writer.settled(message)
    expect(drained).toHaveBeenCalledTimes(1)
  })

  test('takes no more once amqplib’s buffer is full, until amqplib says that it has room again', () => {
    const writer = open(false)
    jest.spyOn(script.raw, 'publish').mockReturnValueOnce(false)
    const [first, second] = [holding('one'), holding('two')]
    writer.write(first)
    expect(writer.isCongested).toBe(true)
    writer.write(second)
    expect(writer.isCongested).toBe(true)
    for (const message of [first, second]) writer.settled(message)
    expect(writer.isCongested).toBe(true)
    expect(drained).not.toHaveBeenCalled()
    script.raw.emit('drain')

    expect(writer.isCongested).toBe(false)
    expect(drained).toHaveBeenCalledTimes(1)
  })

  test('leaves nothing behind of an answer in amqplib’s list', () => {
    const writer = open(false)
    const waiting = () => {}
    script.raw.unconfirmed = [null, null, waiting]
    writer.answered()

    expect(script.raw.unconfirmed).toEqual([waiting])
  })
})
