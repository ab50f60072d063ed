import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** What a broker says of itself in `connection.start` (AMQP 0-9-1, 1.4.2.1). */
export interface Greeting {
  readonly product: string
  readonly version: string
}

/** Where a broker listens. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly isTls?: boolean
}

const PROTOCOL_HEADER = Buffer.from('AMQP\0\0\x09\x01', 'latin1')
const METHOD_FRAME = 1
const CONNECTION_START = 0x000a_000a
const FRAME_HEAD_BYTES = 7
// The table begins after class, method and the two bytes of the protocol version.
const TABLE_OFFSET = FRAME_HEAD_BYTES + 6
const MAX_GREETING_BYTES = 65_536

/** The address that an AMQP URL names. Throws what `new URL` throws, which holds the URL: do not pass it on. */
export function addressOf(url: string): Address {
  const { protocol, hostname, port } = new URL(url)
  const isTls = protocol === 'amqps:'
  const host = hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1'
  return { host, port: Number(port) || (isTls ? 5671 : 5672), isTls }
}

/**
 * Connects, sends the protocol header, reads the broker's greeting and hangs up: the cheapest proof that a broker
 * answers. No credentials are sent.
 */
export function greet(address: Address, timeoutMs = 10_000): Promise<Greeting> {
  const { host, port, isTls = false } = address
  return new Promise((resolve, reject) => {
    // Nothing secret goes over this connection, and whom to trust is told to the pool, not to this probe.
    const socket: Socket = isTls ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port })
    const timer = setTimeout(() => fail(new Error(`no AMQP greeting in ${timeoutMs} ms`)), timeoutMs)
    let received: Buffer = Buffer.alloc(0)

    const finish = (): void => {
      clearTimeout(timer)
      socket.destroy()
    }
    const fail = (error: Error): void => {
      finish()
      reject(error)
    }
    socket.on('error', fail)
    socket.on('end', () => fail(new Error('the connection was closed before the AMQP greeting')))
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      const isGreeting = received[0] === METHOD_FRAME
      if (!isGreeting || received.length > MAX_GREETING_BYTES) return fail(new Error('it is not an AMQP 0-9-1 broker'))
      if (received.length < FRAME_HEAD_BYTES || received.length < FRAME_HEAD_BYTES + received.readUInt32BE(3)) return
      if (received.readUInt32BE(FRAME_HEAD_BYTES) !== CONNECTION_START) {
        return fail(new Error('its first frame is not connection.start'))
      }
      try {
        const properties = stringsOf(received, TABLE_OFFSET)
        finish()
        resolve({ product: properties.get('product') ?? 'unknown', version: properties.get('version') ?? 'unknown' })
      } catch {
        fail(new Error('its connection.start cannot be read'))
      }
    })
    socket.write(PROTOCOL_HEADER)
  })
}

/** The text fields of a field table (AMQP 0-9-1, 4.2.5.5); reading ends at a type that no greeting has. */
function stringsOf(bytes: Buffer, offset: number): Map<string, string> {
  const strings = new Map<string, string>()
  const end = Math.min(offset + 4 + bytes.readUInt32BE(offset), bytes.length)
  let at = offset + 4
  while (at < end) {
    const name = bytes.toString('utf8', at + 1, at + 1 + bytes.readUInt8(at))
    at += 1 + bytes.readUInt8(at)
    const type = String.fromCharCode(bytes.readUInt8(at))
    at += 1
    if (type === 'S' || type === 'F' || type === 'A') {
      const length = bytes.readUInt32BE(at)
      at += 4
      if (type === 'S') strings.set(name, bytes.toString('utf8', at, at + length))
      at += length
    } else if (type === 't') at += 1
    else if (type === 'I') at += 4
    else break
  }
  return strings
}
