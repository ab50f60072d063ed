import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { addressOf, greet } from '../../lib/testing/amqp-greeting.ts'
import { startEmulator } from '../../lib/testing/emulator.ts'

let server: Server | undefined
const sockets: Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server?.close()
})

async function serve(onSocket: (socket: Socket) => unknown): Promise<{ host: string; port: number }> {
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port }
}

/** A `connection.start` whose property table holds these bytes. */
function start(table: Buffer): Buffer {
  const payload = Buffer.alloc(10)
  payload.writeUInt32BE(0x000a_000a, 0)
  payload.writeUInt16BE(9, 4)
  payload.writeUInt32BE(table.length, 6)
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(payload.length + table.length, 3)
  return Buffer.concat([head, payload, table, Buffer.from([0xce])])
}

test('a broker says what it is', async () => {
  const emulator = await startEmulator()

  expect(await greet(addressOf(emulator.url))).toEqual({ product: 'amqp-emulator', version: '0.1.2' })
  await emulator.stop()
})

test('a greeting that comes byte by byte is read', async () => {
  const frame = start(Buffer.from('\x07versionS\0\0\0\x033.9\x07productS\0\0\0\x04Fake', 'latin1'))
  const address = await serve(async (socket) => {
    for (const byte of frame) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })

  expect(await greet(address)).toEqual({ product: 'Fake', version: '3.9' })
})

test('fields of other types are passed over', async () => {
  const table = '\x01aF\0\0\0\x02xx\x01bt\x01\x01cI\0\0\0\x05\x07productS\0\0\0\x04Fake'
  const address = await serve((socket) => socket.write(start(Buffer.from(table, 'latin1'))))

  expect(await greet(address)).toEqual({ product: 'Fake', version: 'unknown' })
})

test('a broken table is an error', async () => {
  const address = await serve((socket) => socket.write(start(Buffer.from('\x07productS\0', 'latin1'))))

  await expect(greet(address)).rejects.toThrow(/cannot be read/)
})

test('a server of another protocol is an error', async () => {
  const address = await serve((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))

  await expect(greet(address)).rejects.toThrow(/not an AMQP 0-9-1 broker/)
})

test('a server that hangs up is an error', async () => {
  const address = await serve((socket) => socket.end())

  await expect(greet(address)).rejects.toThrow(/closed before the AMQP greeting/)
})

test('a server that says nothing is an error after the time given', async () => {
  const address = await serve(() => {})

  await expect(greet(address, 30)).rejects.toThrow('no AMQP greeting in 30 ms')
})

test('an address is read from a URL with its default port', () => {
  expect(addressOf('amqp://user:secret@rabbit.test/v')).toEqual({ host: 'rabbit.test', port: 5672, isTls: false })
  expect(addressOf('amqps://[::1]')).toEqual({ host: '::1', port: 5671, isTls: true })
})
