import { Duplex } from 'node:stream'
import type { ConfirmChannel as RawChannel } from 'amqplib'
import type { Connection } from '../../lib/amqp/connection.ts'
import { amqplibModule } from './amqplib-bytes.ts'

const { Connection: InnerConnection } = amqplibModule('connection') as { Connection: new (stream: Duplex) => object }
const { ConfirmChannel } = amqplibModule('channel_model') as {
  ConfirmChannel: new (connection: object) => InnerChannel
}
const defs = amqplibModule('defs') as Record<string, number>
const { parseFrame, decodeFrame } = amqplibModule('frame') as {
  parseFrame(bytes: Buffer, max: number): { rest: Buffer; type: number } | false
  decodeFrame(frame: object): { id?: number; fields?: Record<string, unknown>; content?: Buffer }
}
const METHOD_FRAME = 1

type InnerChannel = RawChannel & {
  accept(frame: object): void
  allocate(): void
  unconfirmed: unknown[]
}

/** amqplib's own confirm channel, whose broker is the test: it sees what was written and says what comes back. */
export class ScriptedChannel {
  readonly raw: InnerChannel
  /** A stand-in for the connection that the channel belongs to. */
  readonly connection: Connection & { isBlocked: boolean; readingSince: number; lastError: Error | undefined }
  /** Why the channel wanted its connection dropped. */
  readonly aborts: Error[] = []
  /** How many writes reached the socket. */
  writes = 0
  #written: Buffer[] = []
  #isTaking = true
  #release: () => void = () => {}

  constructor() {
    const socket = new Duplex({
      read() {},
      write: (bytes: Buffer, _encoding, callback) => {
        this.writes++
        // Its memory is used again once it was taken.
        this.#written.push(Buffer.from(bytes))
        if (this.#isTaking) callback()
        else this.#release = callback
      },
    })
    const inner = Object.assign(new InnerConnection(socket), { frameMax: 131_072, channelMax: 10 })
    this.raw = new ConfirmChannel(inner)
    this.raw.allocate()
    this.connection = {
      isBlocked: false,
      frameMax: 131_072,
      readingSince: 0,
      lastError: undefined,
      abort: (reason: Error) => void this.aborts.push(reason),
    } as never
  }

  /** The names of the methods written so far, e.g. `BasicPublish`, and the bodies, in order; forgets them. */
  async taken(): Promise<string[]> {
    // What waits in amqplib's own buffers leaves by the next turn.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    const seen: string[] = []
    let rest: Buffer = Buffer.concat(this.#written)
    for (let frame = parseFrame(rest, 0); frame !== false; frame = parseFrame(rest, 0)) {
      rest = frame.rest
      const { id, content } = decodeFrame(frame)
      if (frame.type === METHOD_FRAME) seen.push(Object.keys(defs).find((name) => defs[name] === id) as string)
      else if (content !== undefined) seen.push(content.toString())
    }
    this.#written = [rest]
    return seen
  }

  /** From now on the socket takes nothing: one write waits, and the others behind it. */
  stall(): void {
    this.#isTaking = false
  }

  /** The socket takes what waits, and what comes. */
  resume(): void {
    this.#isTaking = true
    this.#release()
  }

  ack(deliveryTag: number, multiple = false): void {
    this.#say('BasicAck', { deliveryTag, multiple })
  }

  nack(deliveryTag: number, multiple = false): void {
    this.#say('BasicNack', { deliveryTag, multiple, requeue: false })
  }

  /** A basic.return with all that follows it. */
  return(fields: { exchange: string; routingKey: string }, properties: object = {}): void {
    this.#say('BasicReturn', { replyCode: 312, replyText: 'NO_ROUTE', ...fields })
    this.raw.accept({ id: defs.BasicProperties, size: 0, fields: properties })
  }

  /** The broker closes the channel. */
  close(replyCode: number, replyText: string, classId = 60, methodId = 40): void {
    this.#say('ChannelClose', { replyCode, replyText, classId, methodId })
  }

  /** The broker answers a close of the channel. */
  closeOk(): void {
    this.#say('ChannelCloseOk', {})
  }

  /** The connection is lost. */
  lose(reason?: Error): void {
    this.connection.lastError = reason
    ;(this.raw as unknown as { toClosed(stack: string): void }).toClosed('')
  }

  #say(name: string, fields: object): void {
    this.raw.accept({ id: defs[name], fields })
  }
}
