import type { Duplex } from 'node:stream'
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import { type AckListener, AckReader } from './ack-reader.ts'

/**
 * The only touch under amqplib's public API: what frames encoded ahead, and answers read where they stand, need
 * of it, checked by shape. Where the shape is another one, callers get nothing and use what is public.
 */
export interface Wire {
  /** The channel's number in its frames. */
  readonly channel: number
  /** The largest frame that both sides agreed on, in bytes. */
  readonly frameMax: number
  /** Bytes handed over that the kernel has not taken yet. */
  readonly backlogBytes: number
  /** Hands whole frames over, behind all that the channel has queued. */
  send(frames: Buffer): void
  /** Calls back once the socket takes more, after a backlog. */
  onceDrained(callback: () => void): void
  /** Whether `publish` is still amqplib's own; a tracer that replaces it must see every publish. */
  isUnpatched(): boolean
}

interface InnerConnection {
  readonly stream: Duplex
  readonly frameMax: number
  readonly channels: ({ readonly channel: unknown; readonly buffer: Duplex } | null)[]
  readonly muxer: { readonly blocked: boolean }
  sentSinceLastCheck: boolean
  readonly expectSocketClose: boolean
  sendBytes(bytes: Buffer): void
}

/** How a connection reads: frame by frame from `rest`, and from the stream when there is no whole one. */
interface ReadingConnection {
  readonly stream: Duplex
  readonly accept: (frame: object) => void
  rest: Buffer
  recvSinceLastCheck: boolean
  recvFrame(): object | false
}

interface InnerChannel {
  readonly ch: number
  readonly connection: InnerConnection
  unconfirmed: unknown[]
  lwm: number
}

/** The wire below a channel; nothing when amqplib is not as expected or its `publish` was replaced. */
export function wireOf(channel: ConfirmChannel): Wire | undefined {
  const { ch, connection } = channel as unknown as Partial<InnerChannel>
  if (!isInnerConnection(connection) || !Number.isInteger(ch)) return undefined
  const number = ch as number
  const own = connection.channels[number]?.buffer
  if (own === undefined || typeof own.write !== 'function') return undefined
  const publish = publishersOf(channel)
  if (!isPristine(publish)) return undefined

  const { stream, muxer } = connection
  return {
    channel: number,
    frameMax: connection.frameMax,
    get backlogBytes() {
      return stream.writableLength + own.writableLength + own.readableLength
    },
    send(frames) {
      // With nothing queued on the channel the order holds without the detour through its buffer.
      const isQueued = own.readableLength > 0 || own.writableLength > 0 || muxer.blocked
      connection.sentSinceLastCheck = true
      if (isQueued) own.write(frames)
      else connection.sendBytes(frames)
    },
    onceDrained(callback) {
      onceDrained(stream, callback)
    },
    isUnpatched() {
      const now = publishersOf(channel)
      return now.confirm === publish.confirm && now.plain === publish.plain
    },
  }
}

const drains = new WeakMap<Duplex, (() => void)[]>()

/** One listener for all channels of a socket: Node warns of more than ten. */
function onceDrained(stream: Duplex, callback: () => void): void {
  const waiting = drains.get(stream)
  if (waiting !== undefined) return void waiting.push(callback)
  const callbacks = [callback]
  drains.set(stream, callbacks)
  stream.once('drain', () => {
    drains.delete(stream)
    for (const each of callbacks) each()
  })
}

const NO_BYTES = Buffer.alloc(0)
const readers = new WeakMap<object, AckReader>()

/**
 * Has a channel's acks and nacks read before amqplib makes objects and events of them; every other frame is
 * amqplib's, and comes to it in its place among them. False when amqplib is not as expected: it emits them then.
 */
export function readAcks(channel: ConfirmChannel, listener: AckListener): boolean {
  const { ch, connection } = channel as unknown as InnerChannel
  const reader = readers.get(connection) ?? readerInFrontOf(connection as unknown as ReadingConnection)
  if (reader === undefined) return false
  reader.listen(ch, listener)
  channel.once('close', () => reader.listen(ch, undefined))
  return true
}

function readerInFrontOf(connection: ReadingConnection): AckReader | undefined {
  if (!isReadingConnection(connection)) return undefined
  const { accept, recvFrame, stream } = connection
  const reader = new AckReader()
  readers.set(connection, reader)
  // amqplib calls it until it gives no frame, and it calls itself when it has read more of the stream.
  connection.recvFrame = () => {
    // While a connection closes, amqplib ignores what comes.
    while (connection.accept === accept) {
      if (connection.rest.length === 0) {
        const incoming = stream.read()
        if (incoming === null) return false
        connection.recvSinceLastCheck = true
        connection.rest = incoming
      }
      const { rest } = connection
      const read = reader.read(rest)
      if (read < rest.length) {
        if (read > 0) connection.rest = rest.subarray(read)
        break
      }
      connection.rest = NO_BYTES
    }
    return recvFrame.call(connection)
  }
  return reader
}

function isReadingConnection(connection: ReadingConnection): boolean {
  const { stream, accept, rest, recvSinceLastCheck, recvFrame } = connection
  return (
    typeof stream?.read === 'function' &&
    typeof accept === 'function' &&
    Buffer.isBuffer(rest) &&
    typeof recvSinceLastCheck === 'boolean' &&
    sourceOf(recvFrame).includes('this.rest = frame.rest')
  )
}

/** The frame size agreed on, in bytes; nothing when amqplib does not show it. */
export function frameMaxOf(model: ChannelModel): number | undefined {
  const { frameMax } = model.connection as unknown as Partial<InnerConnection>
  return typeof frameMax === 'number' && frameMax > 0 ? frameMax : undefined
}

/** The number of channels agreed on; nothing when amqplib does not show it. */
export function channelMaxOf(model: ChannelModel): number | undefined {
  const { channelMax } = model.connection as unknown as { channelMax?: unknown }
  return typeof channelMax === 'number' && channelMax > 0 ? channelMax : undefined
}

/** Whether the broker closed the connection before anybody could listen for it. */
export function isClosed(model: ChannelModel): boolean {
  return (model.connection as unknown as Partial<InnerConnection>).expectSocketClose === true
}

/** Whether the broker has said that it reads no more, and not that it reads again; false when amqplib does not show it. */
export function isBlocked(model: ChannelModel): boolean {
  return (model.connection as unknown as { blocked?: unknown }).blocked === true
}

/** Whether the channel was closed before anybody could listen to it: it would fail each call, and never say why. */
export function isChannelClosed(channel: Channel): boolean {
  const { ch, connection } = channel as unknown as Partial<InnerChannel>
  const channels = connection?.channels
  if (!Array.isArray(channels) || !Number.isInteger(ch)) return false
  return channels[ch as number]?.channel !== channel
}

/** Ends the socket at once, so that amqplib sees a lost connection; false when it cannot be reached. */
export function destroySocket(model: ChannelModel, reason: Error): boolean {
  const { stream } = model.connection as unknown as Partial<InnerConnection>
  if (typeof stream?.destroy !== 'function') return false
  stream.destroy(reason)
  return true
}

/**
 * Takes settled slots off the front of amqplib's own list of confirms, which it leaves there after an
 * out-of-order `multiple` ack: they would grow by one with every publish that follows.
 */
export function trimUnconfirmed(channel: ConfirmChannel): void {
  const inner = channel as unknown as InnerChannel
  if (!Array.isArray(inner.unconfirmed)) return
  while (inner.unconfirmed[0] === null) {
    inner.unconfirmed.shift()
    inner.lwm++
  }
}

function isInnerConnection(connection: InnerConnection | undefined): connection is InnerConnection {
  return (
    typeof connection?.stream?.write === 'function' &&
    typeof connection.sendBytes === 'function' &&
    typeof connection.frameMax === 'number' &&
    typeof connection.sentSinceLastCheck === 'boolean' &&
    typeof connection.muxer?.blocked === 'boolean' &&
    Array.isArray(connection.channels)
  )
}

interface Publishers {
  readonly confirm: unknown
  readonly plain: unknown
}

function publishersOf(channel: ConfirmChannel): Publishers {
  const confirmPrototype = Object.getPrototypeOf(channel)
  return { confirm: channel.publish, plain: Object.getPrototypeOf(confirmPrototype)?.publish }
}

/** A wrapper around `publish` has other source text than amqplib's own two lines. */
function isPristine({ confirm, plain }: Publishers): boolean {
  return sourceOf(confirm).includes('pushConfirmCallback') && sourceOf(plain).includes('sendMessage')
}

function sourceOf(value: unknown): string {
  return typeof value === 'function' ? Function.prototype.toString.call(value) : ''
}
