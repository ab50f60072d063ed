import { PassThrough } from 'node:stream'
import { expect, test } from '@jest/globals'
import type { ConfirmChannel as RawChannel } from 'amqplib'
import fc from 'fast-check'
import { AckReader } from '../../lib/amqp/ack-reader.ts'
import { readAcks } from '../../lib/amqp/amqplib-internals.ts'
import { amqplibModule } from './amqplib-bytes.ts'

const { Connection } = amqplibModule('connection') as { Connection: new (stream: PassThrough) => InnerConnection }
const { ConfirmChannel } = amqplibModule('channel_model') as {
  ConfirmChannel: new (connection: InnerConnection) => RawChannel
}
const defs = amqplibModule('defs') as Record<string, number> & {
  encodeMethod(id: number, channel: number, fields: object): Buffer
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer
}
const { HEARTBEAT_BUF, makeBodyFrame } = amqplibModule('frame') as {
  HEARTBEAT_BUF: Buffer
  makeBodyFrame(channel: number, payload: Buffer): Buffer
}

interface Frame {
  readonly id?: number
  readonly channel: number
  readonly fields?: { readonly deliveryTag?: number; readonly multiple?: boolean }
}

interface InnerConnection {
  accept: (frame: Frame) => void
  recvSinceLastCheck: boolean
  recvFrame(): object | false
  acceptLoop(): void
  on(event: 'frameError', listener: (error: Error) => void): void
}

/** amqplib's own reading of a stream that the test writes: all that comes of it, in order. */
class Reading {
  readonly seen: string[] = []
  readonly stream = new PassThrough()
  readonly connection = new Connection(this.stream)

  constructor() {
    this.connection.accept = (frame) => this.seen.push(spelled(frame))
    this.connection.on('frameError', ({ message }) => this.seen.push(message))
    this.connection.acceptLoop()
  }

  /** Reads the answers to a channel in front of amqplib. */
  tap(number: number): RawChannel {
    const channel = Object.assign(new ConfirmChannel(this.connection), { ch: number })
    const isRead = readAcks(channel, (tag, multiple, isNack) => {
      this.seen.push(`tapped ${answer(isNack, number, tag, multiple)}`)
    })
    expect(isRead).toBe(true)
    return channel
  }

  async write(bytes: Buffer): Promise<void> {
    this.stream.write(bytes)
    // A stream tells of what it has in a later tick.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('every frame is read once and in its place, however the bytes are cut', async () => {
  const channel = fc.integer({ min: 1, max: 3 })
  const tag = fc.oneof(fc.nat(1_000), fc.constant(2 ** 32 - 1), fc.maxSafeInteger().map(Math.abs))
  const frames = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(fc.constantFrom('BasicAck', 'BasicNack'), channel, tag, fc.boolean()).map(answerFrame),
    },
    { weight: 1, arbitrary: fc.constant(HEARTBEAT_BUF) },
    { weight: 1, arbitrary: fc.tuple(channel, fc.uint8Array({ maxLength: 40 })).map(returnFrames) },
    { weight: 1, arbitrary: fc.constant(defs.encodeMethod(defs.ConnectionBlocked as number, 0, { reason: 'memory' })) },
  )
  const property = fc.asyncProperty(
    fc.array(frames, { maxLength: 30 }),
    fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
    async (parts, sizes) => {
      const [plain, tapped] = [new Reading(), new Reading()]
      tapped.tap(1)
      tapped.tap(2)
      const bytes = Buffer.concat(parts)
      for (let at = 0; at < bytes.length; ) {
        const size = sizes.next().value as number
        await Promise.all([plain, tapped].map((reading) => reading.write(bytes.subarray(at, at + size))))
        at += size
      }

      expect(tapped.seen.map((text) => text.replace('tapped ', ''))).toEqual(plain.seen)
      expect(tapped.seen.filter((text) => /^n?ack [12]/.test(text))).toEqual([])
    },
  )
  await fc.assert(property, { numRuns: 150 })
})

test('what is read in front of amqplib counts as a sign of life', async () => {
  const reading = new Reading()
  reading.tap(1)
  await reading.write(answerFrame(['BasicAck', 1, 7, true]))

  expect(reading.seen).toEqual(['tapped ack 1 7 true'])
  expect(reading.connection.recvSinceLastCheck).toBe(true)
})

test('the answers to a channel that was closed are amqplib’s again', async () => {
  const reading = new Reading()
  reading.tap(1).emit('close')
  await reading.write(answerFrame(['BasicAck', 1, 7, false]))

  expect(reading.seen).toEqual(['ack 1 7 false'])
})

test('while the connection closes, nothing is read in front of amqplib', async () => {
  const reading = new Reading()
  reading.tap(1)
  reading.connection.accept = () => reading.seen.push('ignored')
  await reading.write(answerFrame(['BasicNack', 1, 7, false]))

  expect(reading.seen).toEqual(['ignored'])
})

test('a frame that does not end as a frame must is left to amqplib, which says so', async () => {
  const reading = new Reading()
  reading.tap(1)
  const broken = answerFrame(['BasicAck', 1, 7, false])
  broken[broken.length - 1] = 0
  await reading.write(Buffer.concat([answerFrame(['BasicAck', 1, 6, false]), broken]))

  expect(reading.seen).toEqual(['tapped ack 1 6 false', 'Invalid frame'])
})

test('where amqplib reads in another way, it is left alone', () => {
  const { connection } = new Reading()
  const recvFrame = () => false as const
  connection.recvFrame = recvFrame
  const channel = Object.assign(new ConfirmChannel(connection), { ch: 1 })

  expect(readAcks(channel, () => {})).toBe(false)
  expect(connection.recvFrame).toBe(recvFrame)
})

test('a frame that differs from an answer in one byte, its tag and its bits apart, is left alone', () => {
  const reader = new AckReader()
  const tags: number[] = []
  reader.listen(1, (tag) => tags.push(tag))
  for (const name of ['BasicAck', 'BasicNack']) {
    const frame = answerFrame([name, 1, 7, false])
    for (let at = 0; at < frame.length; at++) {
      if (at >= 11 && at <= 19) continue
      const other = Buffer.from(frame)
      other.writeUInt8(frame.readUInt8(at) ^ 1, at)
      expect([at, reader.read(other)]).toEqual([at, 0])
    }
  }

  expect(tags).toEqual([])
})

test('any bytes at all are read no further than the answers that they begin with', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(3), (rest, count) => {
    const reader = new AckReader()
    const tags: number[] = []
    reader.listen(1, (tag) => tags.push(tag))
    const acks = Array.from({ length: count }, (_, tag) => answerFrame(['BasicAck', 1, tag, false]))
    fc.pre(rest[0] !== 1)

    expect(reader.read(Buffer.concat([...acks, rest]))).toBe(Buffer.concat(acks).length)
    expect(tags).toHaveLength(count)
  })
  fc.assert(property)
})

function answerFrame([name, channel, deliveryTag, multiple]: [string, number, number, boolean]): Buffer {
  return Buffer.from(defs.encodeMethod(defs[name] as number, channel, { deliveryTag, multiple, requeue: false }))
}

function returnFrames([channel, body]: [number, Uint8Array]): Buffer {
  const fields = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
  return Buffer.concat([
    defs.encodeMethod(defs.BasicReturn as number, channel, fields),
    defs.encodeProperties(defs.BasicProperties as number, channel, body.length, {}),
    ...(body.length > 0 ? [makeBodyFrame(channel, Buffer.from(body))] : []),
  ])
}

function spelled({ id, channel, fields }: Frame): string {
  const { deliveryTag = 0, multiple = false } = fields ?? {}
  if (id === defs.BasicAck || id === defs.BasicNack)
    return answer(id === defs.BasicNack, channel, deliveryTag, multiple)
  return `${id} ${channel}`
}

function answer(isNack: boolean, channel: number, tag: number, multiple: boolean): string {
  return `${isNack ? 'nack' : 'ack'} ${channel} ${tag} ${multiple}`
}
