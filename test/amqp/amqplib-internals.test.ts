import type { Duplex, PassThrough } from 'node:stream'
import { beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import {
  channelMaxOf,
  destroySocket,
  frameMaxOf,
  isBlocked,
  isChannelClosed,
  isClosed,
  readAcks,
  trimUnconfirmed,
  wireOf,
} from '../../lib/amqp/amqplib-internals.ts'
import { ScriptedChannel } from './scripted-channel.ts'

/** What of amqplib's own parts is looked at. */
interface Inner {
  ch: number
  publish: unknown
  connection: {
    stream: Duplex
    accept: unknown
    rest: Buffer
    muxer: { blocked: boolean }
    channels: { channel: unknown; buffer: PassThrough }[]
    sentSinceLastCheck: boolean
    recvSinceLastCheck: boolean
    recvFrame(): unknown
    sendBytes(bytes: Buffer): void
  }
}

let raw: ConfirmChannel
let inner: Inner

beforeEach(() => {
  raw = new ScriptedChannel().raw
  inner = raw as unknown as Inner
})

/** Gives an object a property of its own, in place of what it has from its class. */
function put(target: object, fields: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(fields)) Object.defineProperty(target, name, { value, writable: true })
}

/** amqplib built otherwise, by what is different. */
type Shape = readonly [string, () => void]

describe('the wire below a channel', () => {
  const own = () => inner.connection.channels[inner.ch]?.buffer as PassThrough

  test('is had of amqplib as it is', () => {
    expect(wireOf(raw)).toMatchObject({ channel: inner.ch, frameMax: 131_072, backlogBytes: 0 })
    expect(wireOf(raw)?.isUnpatched()).toBe(true)
  })

  test.each<Shape>([
    ['the channel has no number', () => put(inner, { ch: undefined })],
    ['the channel has no connection', () => put(inner, { connection: undefined })],
    ['the connection has no stream', () => put(inner.connection, { stream: undefined })],
    ['the stream cannot be written to', () => put(inner.connection.stream, { write: undefined })],
    ['the connection sends no bytes', () => put(inner.connection, { sendBytes: undefined })],
    ['the frame size is no number', () => put(inner.connection, { frameMax: '131072' })],
    ['it is not noted that something was sent', () => put(inner.connection, { sentSinceLastCheck: undefined })],
    ['nothing mixes the channels', () => put(inner.connection, { muxer: undefined })],
    ['it is not said whether it is blocked', () => put(inner.connection, { muxer: {} })],
    ['the channels are no list', () => put(inner.connection, { channels: {} })],
    ['the channel is not in the list', () => put(inner.connection, { channels: [] })],
    ['the channel has no buffer', () => put(inner.connection, { channels: [undefined, {}] })],
    ['its buffer cannot be written to', () => put(own(), { write: undefined })],
    ['a tracer has replaced publish', () => put(inner, { publish: () => true })],
    ['publish is no function', () => put(inner, { publish: 'pushConfirmCallback' })],
    ['the publish below it is another', () => Object.setPrototypeOf(inner, { publish: inner.publish })],
    ['there is no publish below it', () => Object.setPrototypeOf(put2(inner), Object.create(null))],
  ])('is not to be had where %s', (_, change) => {
    change()
    expect(wireOf(raw)).toBeUndefined()
  })

  /** Its publish is its own, whatever it is an instance of. */
  function put2(channel: Inner): Inner {
    put(channel, { publish: channel.publish })
    return channel
  }

  test('sees a tracer that comes later, at either publish', () => {
    const [wire, publish] = [wireOf(raw), inner.publish]
    put(inner, { publish: () => true })
    expect(wire?.isUnpatched()).toBe(false)

    put(inner, { publish })
    expect(wire?.isUnpatched()).toBe(true)
    Object.setPrototypeOf(inner, Object.create({ publish: () => true }))
    expect(wire?.isUnpatched()).toBe(false)
  })

  test('counts the bytes that wait in the socket and on both sides of the channel’s buffer', () => {
    put(inner.connection.stream, { writableLength: 4_000 })
    put(own(), { writableLength: 300, readableLength: 20 })

    expect(wireOf(raw)?.backlogBytes).toBe(4_320)
  })

  test.each<[string, () => void, boolean]>([
    ['nothing is queued', () => {}, false],
    ['something waits to leave the channel’s buffer', () => put(own(), { readableLength: 1 }), true],
    ['something waits to get into it', () => put(own(), { writableLength: 1 }), true],
    ['the channels are held back', () => put(inner.connection.muxer, { blocked: true }), true],
  ])('where %s, sends in the order of what was written', (_, change, isDetour) => {
    const [direct, detour] = [jest.fn(), jest.fn()]
    put(inner.connection, { sendBytes: direct, sentSinceLastCheck: false })
    put(own(), { write: detour })
    change()
    const frames = Buffer.from('frames')
    wireOf(raw)?.send(frames)

    expect([direct.mock.calls, detour.mock.calls]).toEqual(isDetour ? [[], [[frames]]] : [[[frames]], []])
    // Or a heartbeat would be sent for nothing.
    expect(inner.connection.sentSinceLastCheck).toBe(true)
  })

  test('tells once that the socket takes more', () => {
    const drained = jest.fn()
    wireOf(raw)?.onceDrained(drained)
    for (let times = 0; times < 2; times++) inner.connection.stream.emit('drain')

    expect(drained).toHaveBeenCalledTimes(1)
  })

  test('tells all channels of a socket with one listener, and those that wait again the next time', () => {
    const { stream } = inner.connection
    const before = stream.listenerCount('drain')
    const again = jest.fn()
    const drained = jest.fn(() => wireOf(raw)?.onceDrained(again))
    for (let channel = 0; channel < 20; channel++) wireOf(raw)?.onceDrained(drained)
    expect(stream.listenerCount('drain')).toBe(before + 1)
    stream.emit('drain')
    expect([drained.mock.calls.length, again.mock.calls.length]).toEqual([20, 0])
    stream.emit('drain')

    expect([drained.mock.calls.length, again.mock.calls.length]).toEqual([20, 20])
    expect(stream.listenerCount('drain')).toBe(before)
  })
})

describe('acks', () => {
  const HEARTBEAT = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce])
  const told: number[] = []
  const listen = (tag: number) => void told.push(tag)

  beforeEach(() => {
    told.length = 0
    // As once the connection is open.
    put(inner.connection, { accept: () => {} })
  })

  /** basic.ack of a channel, for one message. */
  function ack(tag: number, channel = inner.ch): Buffer {
    return Buffer.from([1, 0, channel, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, tag, 0, 0xce])
  }

  /** Bytes come; what amqplib gets to see of them. */
  function received(...parts: Buffer[]): unknown {
    inner.connection.stream.push(Buffer.concat(parts))
    return inner.connection.recvFrame()
  }

  test('are told, and amqplib sees nothing of them', () => {
    expect(readAcks(raw, listen)).toBe(true)
    put(inner.connection, { recvSinceLastCheck: false })

    expect(received(ack(1), ack(2))).toBe(false)
    expect(told).toEqual([1, 2])
    expect(inner.connection.rest).toHaveLength(0)
    // Or the connection would be taken for dead.
    expect(inner.connection.recvSinceLastCheck).toBe(true)
  })

  test('that come one after the other are told as they come', () => {
    readAcks(raw, listen)
    received(ack(1))
    received(ack(2))
    expect(told).toEqual([1, 2])
  })

  test('before another frame leave amqplib that frame, and each once', () => {
    readAcks(raw, listen)
    expect(received(ack(1), HEARTBEAT, ack(2))).toBeTruthy()
    expect(told).toEqual([1])
    expect(inner.connection.recvFrame()).toBe(false)
    expect(told).toEqual([1, 2])
  })

  test('in pieces are told once they are whole', () => {
    readAcks(raw, listen)
    expect(received(ack(1), ack(2).subarray(0, 9))).toBe(false)
    expect(told).toEqual([1])
    expect(received(ack(2).subarray(9))).toBe(false)
    expect(told).toEqual([1, 2])
  })

  test('are left to amqplib while the connection closes', () => {
    readAcks(raw, listen)
    put(inner.connection, { accept: () => {} })

    expect(received(ack(1))).toBeTruthy()
    expect(told).toEqual([])
  })

  test('are left to amqplib once the channel is closed', () => {
    readAcks(raw, listen)
    raw.emit('close')

    expect(received(ack(1))).toBeTruthy()
    expect(told).toEqual([])
  })

  test('of several channels are told each to its own, by one reader', () => {
    readAcks(raw, listen)
    const { recvFrame } = inner.connection
    const other: number[] = []
    const second = { ch: inner.ch + 1, connection: inner.connection, once: () => {} } as unknown as ConfirmChannel
    readAcks(second, (tag) => void other.push(tag))

    expect(inner.connection.recvFrame).toBe(recvFrame)
    expect(received(ack(1), ack(7, inner.ch + 1))).toBe(false)
    expect([told, other]).toEqual([[1], [7]])
  })

  test.each<Shape>([
    ['the connection has no stream', () => put(inner.connection, { stream: undefined })],
    ['the stream cannot be read', () => put(inner.connection.stream, { read: undefined })],
    ['frames are not accepted', () => put(inner.connection, { accept: undefined })],
    ['the rest is no Buffer', () => put(inner.connection, { rest: new Uint8Array(0) })],
    ['it is not noted that something came', () => put(inner.connection, { recvSinceLastCheck: undefined })],
    ['frames are read otherwise', () => put(inner.connection, { recvFrame: () => false })],
    ['no frames are read', () => put(inner.connection, { recvFrame: undefined })],
  ])('are left to amqplib where %s', (_, change) => {
    change()
    const { recvFrame } = inner.connection
    expect(readAcks(raw, listen)).toBe(false)
    expect(inner.connection.recvFrame).toBe(recvFrame)
  })
})

/** A connection of amqplib's with these parts. */
function modelOf(connection: object): ChannelModel {
  return { connection } as unknown as ChannelModel
}

test.each([
  [4_096, 4_096],
  [1, 1],
  [0, undefined],
  ['4096', undefined],
  [undefined, undefined],
])('of %p, agreed on for frames or for channels, %p is told', (agreed, told) => {
  expect(frameMaxOf(modelOf({ frameMax: agreed }))).toBe(told)
  expect(channelMaxOf(modelOf({ channelMax: agreed }))).toBe(told)
})

test('a connection that waits for the end of its socket is closed', () => {
  expect(isClosed(modelOf({ expectSocketClose: true }))).toBe(true)
  expect(isClosed(modelOf({ expectSocketClose: false }))).toBe(false)
  expect(isClosed(modelOf({}))).toBe(false)
})

test('a connection whose broker reads no more is blocked', () => {
  expect([{ blocked: true }, { blocked: false }, {}].map((connection) => isBlocked(modelOf(connection)))).toEqual([
    true,
    false,
    false,
  ])
})

test('a channel that its connection does not have any more is closed', () => {
  expect(isChannelClosed(raw)).toBe(false)
  inner.connection.channels[inner.ch] = { ...inner.connection.channels[inner.ch], channel: {} } as never
  expect(isChannelClosed(raw)).toBe(true)
  inner.connection.channels = []
  expect(isChannelClosed(raw)).toBe(true)
})

test.each([
  ['no connection', {}],
  ['a connection without channels', { ch: 1, connection: {} }],
  ['no number', { connection: { channels: [] } }],
])('a channel with %s is taken for open', (_, channel) => {
  expect(isChannelClosed(channel as unknown as Channel)).toBe(false)
})

test('a socket that can be reached is ended with the reason', () => {
  const destroy = jest.fn()
  const reason = new Error('no answer')

  expect(destroySocket(modelOf({ stream: { destroy } }), reason)).toBe(true)
  expect(destroy.mock.calls).toEqual([[reason]])
  expect(destroySocket(modelOf({ stream: {} }), reason)).toBe(false)
  expect(destroySocket(modelOf({}), reason)).toBe(false)
})

test('settled slots leave the front of amqplib’s list, and it counts on from there', () => {
  const open = () => {}
  const channel = { unconfirmed: [null, null, open, null], lwm: 3 }
  trimUnconfirmed(channel as unknown as ConfirmChannel)
  expect(channel).toEqual({ unconfirmed: [open, null], lwm: 5 })

  const all = { unconfirmed: [null], lwm: 3 }
  trimUnconfirmed(all as unknown as ConfirmChannel)
  expect(all).toEqual({ unconfirmed: [], lwm: 4 })
})

test('an amqplib without such a list is left alone', () => {
  const channel = { lwm: 3 }
  expect(() => trimUnconfirmed(channel as unknown as ConfirmChannel)).not.toThrow()
  expect(channel).toEqual({ lwm: 3 })
})
