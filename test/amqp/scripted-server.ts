import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { amqplibModule } from './amqplib-bytes.ts'

const defs = amqplibModule('defs') as Record<string, number> & {
  encodeMethod(id: number, channel: number, fields: object): Buffer
}
const { parseFrame, decodeFrame } = amqplibModule('frame') as {
  parseFrame(bytes: Buffer, max: number): { rest: Buffer } | false
  decodeFrame(frame: object): ReceivedMethod
}

/** A method as amqplib decodes it. */
export interface ReceivedMethod {
  readonly id: number
  readonly channel: number
  readonly fields: Record<string, unknown>
}

/** A method of the server by its name in amqplib, e.g. `ConnectionTune`. */
export interface SentMethod {
  readonly name: string
  readonly channel?: number
  readonly fields?: object
}

/** What the server answers to a method, all in one write; bytes are sent as they are, `hang up` ends the connection. */
export type Answer = readonly (SentMethod | Buffer | 'hang up')[]

/**
 * Answers for methods by their name, in place of those of an ordinary handshake; a function is told how often that
 * method came, this time included.
 */
export type Script = Readonly<Record<string, Answer | ((times: number) => Answer)>>

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string
  /** TCP connections accepted so far. */
  readonly connections: number
  /** Those of them whose socket is still there. */
  readonly open: number
  /** The last method of a name that came, e.g. `ConnectionStartOk`. */
  received(name: string): ReceivedMethod | undefined
  /** How often a method of a name came. */
  count(name: string): number
  /** Says something unasked, on every connection. */
  send(...answer: Answer): void
}

export const START: SentMethod = {
  name: 'ConnectionStart',
  fields: {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: {},
    mechanisms: Buffer.from('PLAIN'),
    locales: Buffer.from('en_US'),
  },
}
export const OPEN_OK: SentMethod = { name: 'ConnectionOpenOk', fields: { knownHosts: '' } }

/** For a script: a channel for whoever asks, with confirms; the numbers are amqplib's own. */
export const CHANNEL_1: Script = {
  ChannelOpen: [{ name: 'ChannelOpenOk', channel: 1, fields: { channelId: Buffer.alloc(0) } }],
  ConfirmSelect: [{ name: 'ConfirmSelectOk', channel: 1 }],
  ChannelClose: [{ name: 'ChannelCloseOk', channel: 1 }],
}

/** For a script: besides, every message is confirmed; one connection only, for the tags count on. */
export const CONFIRMING: Script = { ...CHANNEL_1, BasicPublish: (times) => [ack(times)] }

/** The confirm of a message on {@link CHANNEL_1}, or of all up to it. */
export function ack(deliveryTag: number, multiple = false): SentMethod {
  return { name: 'BasicAck', channel: 1, fields: { deliveryTag, multiple } }
}

const HANDSHAKE: Script = {
  ProtocolHeader: [START],
  ConnectionStartOk: [{ name: 'ConnectionTune', fields: { channelMax: 2_047, frameMax: 131_072, heartbeat: 60 } }],
  ConnectionOpen: [OPEN_OK],
  ConnectionClose: [{ name: 'ConnectionCloseOk' }, 'hang up'],
}

/** A connection.close or a channel.close as RabbitMQ sends them. */
export function closing(name: 'ConnectionClose' | 'ChannelClose', replyCode: number, replyText: string): SentMethod {
  return { name, fields: { replyCode, replyText, classId: 0, methodId: 0 } }
}

function encoded(method: SentMethod | Buffer): Buffer {
  if (Buffer.isBuffer(method)) return method
  const { name, channel = 0, fields = {} } = method
  return defs.encodeMethod(defs[name] as number, channel, fields)
}

function say(socket: Socket, answer: Answer): void {
  const frames = answer.filter((part) => part !== 'hang up').map(encoded)
  socket.write(Buffer.concat(frames))
  if (answer.includes('hang up')) socket.end()
}

/** An AMQP server that says what it is told to: for the faults on the wire that RabbitMQ cannot be made to show. */
export async function startScriptedServer(script: Script = {}): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  const received = new Map<number, ReceivedMethod>()
  const counts = new Map<string, number>()
  const nameOf = new Map(Object.entries(defs).map(([name, id]) => [id, name]))
  let connections = 0
  const server = createServer({ noDelay: true }, (socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    let rest = Buffer.alloc(0)
    let isGreeted = false
    const answer = (name: string): void => {
      const times = (counts.get(name) ?? 0) + 1
      counts.set(name, times)
      const given = script[name] ?? HANDSHAKE[name] ?? []
      say(socket, typeof given === 'function' ? given(times) : given)
    }
    socket.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes])
      if (!isGreeted && rest.length >= 8) {
        isGreeted = true
        rest = rest.subarray(8)
        answer('ProtocolHeader')
      }
      for (let frame = parseFrame(rest, 0); isGreeted && frame !== false; frame = parseFrame(rest, 0)) {
        rest = frame.rest as typeof rest
        const method = decodeFrame(frame)
        received.set(method.id, method)
        answer(nameOf.get(method.id) ?? '')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    url: `amqp://127.0.0.1:${port}`,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    received: (name) => received.get(defs[name] as number),
    count: (name) => counts.get(name) ?? 0,
    send(...answer) {
      for (const socket of sockets) say(socket, answer)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
