import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type FaultProxy, startFaultProxy } from '../../lib/testing/index.ts'
import { until } from '../support/condition.ts'

// Answers with what it was sent, and keeps what it was sent.
let target: Server
let targetPort: number
let targetSockets: Socket[]
let received: Buffer[]
let proxy: FaultProxy
const clients: Socket[] = []

beforeEach(async () => {
  targetSockets = []
  received = []
  target = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    targetSockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      received.push(bytes)
      socket.write(bytes)
    })
    socket.on('end', () => socket.end())
  })
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  targetPort = (target.address() as { port: number }).port
  proxy = await startFaultProxy({ target: { port: targetPort } })
})

afterEach(async () => {
  for (const socket of [...clients.splice(0), ...targetSockets]) socket.destroy()
  await proxy.stop()
  target.close()
})

async function dial(port = proxy.port): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
  clients.push(socket)
  await once(socket, 'connect')
  socket.on('error', () => {})
  return socket
}

/** Collects from the socket until it has given that many bytes. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let length = 0; length < count; ) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    parts.push(bytes)
    length += bytes.length
  }
  return Buffer.concat(parts)
}

async function failureOf(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  return error.code
}

test('it forwards bytes and clean ends both ways', async () => {
  const socket = await dial()
  const body = Buffer.alloc(300_000, 'x')
  socket.end(body)

  expect((await buffer(socket)).equals(body)).toBe(true)
  expect(proxy.connections).toBe(1)
})

test('the URL keeps credentials, vhost and parameters of the target', async () => {
  const url = `amqp://us%20er:p%40ss@localhost:${targetPort}/v%2Fh?heartbeat=5`
  const other = await startFaultProxy({ target: url })

  expect(other.url).toBe(`amqp://us%20er:p%40ss@127.0.0.1:${other.port}/v%2Fh?heartbeat=5`)
  await other.stop()
})

test('a target that refuses resets the client', async () => {
  const other = await startFaultProxy({ target: '127.0.0.1:1' })
  const socket = await dial(other.port)

  expect(await failureOf(socket)).toBe('ECONNRESET')
  await other.stop()
})

test('a target that resets a connection resets the client', async () => {
  const socket = await dial()
  socket.write('x')
  await once(socket, 'data')
  targetSockets[0]?.resetAndDestroy()

  expect(await failureOf(socket)).toBe('ECONNRESET')
})

test('a client that resets its connection resets the target', async () => {
  const socket = await dial()
  socket.write('x')
  await once(socket, 'data')
  const failure = failureOf(targetSockets[0] as Socket)
  socket.resetAndDestroy()

  expect(await failure).toBe('ECONNRESET')
})

test('a target that does not read makes the sender wait', async () => {
  const socket = await dial()
  socket.write('x')
  await once(socket, 'data')
  const [reader] = targetSockets as [Socket]
  reader.removeAllListeners('data')
  reader.pause()
  const chunk = Buffer.alloc(64 * 1_024)
  const chunks = 2_000
  for (let sent = 0; sent < chunks; sent++) socket.write(chunk)
  let sent = -1
  // Stalled: nothing has left for a while.
  await until(async () => {
    const before = sent
    sent = socket.bytesWritten - socket.writableLength
    await new Promise((resolve) => setTimeout(resolve, 100))
    return sent === before
  })
  // The kernel takes some megabytes on each way; a proxy that buffered would take all 128.
  expect(sent).toBeLessThan(64 * 2 ** 20)

  let total = 0
  reader.on('data', (bytes: Buffer) => {
    total += bytes.length
  })
  reader.resume()
  await until(() => total === chunks * chunk.length)
})

test('in mode reset a new connection is reset and an old one passes', async () => {
  const old = await dial()
  old.write('a')
  await once(old, 'data')
  await proxy.set('reset')
  const socket = connect(proxy.port, '127.0.0.1')
  clients.push(socket)

  expect(await failureOf(socket)).toBe('ECONNRESET')
  old.write('b')
  expect(await take(old, 1)).toEqual(Buffer.from('b'))
})

test('in mode refuse nothing listens, an old connection passes, and pass listens on the same port again', async () => {
  const old = await dial()
  old.write('a')
  await once(old, 'data')
  await proxy.set('refuse')
  const refused = connect(proxy.port, '127.0.0.1')
  clients.push(refused)
  expect(await failureOf(refused)).toBe('ECONNREFUSED')
  old.write('b')
  expect(await take(old, 1)).toEqual(Buffer.from('b'))

  await proxy.set('pass')
  const socket = await dial()
  socket.write('c')
  expect(await take(socket, 1)).toEqual(Buffer.from('c'))
})

test('in mode silent a new connection is accepted and reaches no target', async () => {
  await proxy.set('silent')
  const socket = await dial()
  // Fully written: the bytes are taken, and go nowhere.
  await new Promise((resolve) => socket.write(Buffer.alloc(8 * 2 ** 20), resolve))

  expect(proxy.active).toBe(1)
  expect(targetSockets).toHaveLength(0)
  expect(socket.bytesRead).toBe(0)
})

test('a black hole swallows without end, and what it lost stays lost', async () => {
  const socket = await dial()
  socket.write('before')
  await take(socket, 6)
  await proxy.set('black-hole')
  await new Promise((resolve) => socket.write(Buffer.alloc(64 * 2 ** 20), resolve))
  targetSockets[0]?.write('unheard')
  const flushed = await dial()
  await new Promise((resolve) => flushed.write('x', resolve))

  await proxy.set('pass')
  const fresh = await dial()
  fresh.write('fresh')
  expect(await take(fresh, 5)).toEqual(Buffer.from('fresh'))
  socket.write('after')
  fresh.write('later')
  await take(fresh, 5)
  expect(Buffer.concat(received).toString()).toBe('beforefreshlater')
  expect(socket.bytesRead).toBe(6)
})

test('a black hole hides the end and the reset of the other side', async () => {
  const [ended, reset] = [await dial(), await dial()]
  for (const socket of [ended, reset]) {
    socket.write('x')
    await once(socket, 'data')
  }
  await proxy.set('black-hole')
  targetSockets[0]?.end()
  targetSockets[1]?.resetAndDestroy()
  // What the kernel reports after the end and the reset comes after them here as well.
  const past = await dial(targetPort)
  past.write('x')
  await take(past, 1)
  await proxy.set('pass')
  const fresh = await dial()
  fresh.write('x')
  await take(fresh, 1)

  expect(ended.readableEnded).toBe(false)
  expect(reset.destroyed).toBe(false)
  expect(proxy.active).toBe(3)
})

test('a black hole on the way down lets the way up pass', async () => {
  const socket = await dial()
  socket.write('a')
  await once(socket, 'data')
  await proxy.set('black-hole-down')
  socket.write('b')
  await once(targetSockets[0] as Socket, 'data')

  expect(Buffer.concat(received).toString()).toBe('ab')
  expect(socket.bytesRead).toBe(1)
})

test('a black hole on the way up lets the way down pass', async () => {
  const socket = await dial()
  socket.write('a')
  await once(socket, 'data')
  await proxy.set('black-hole-up')
  await new Promise((resolve) => socket.write('b', resolve))
  targetSockets[0]?.write('down')

  expect(await take(socket, 4)).toEqual(Buffer.from('down'))
  expect(Buffer.concat(received).toString()).toBe('a')
})

test('a delay holds each byte for its time, and ends when the mode does', async () => {
  const socket = await dial()
  await proxy.set('delay', { ms: 40 })
  const startedAt = performance.now()
  socket.write('x')
  await take(socket, 1)
  // There and back; timers may fire a millisecond early.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(78)

  await proxy.set('delay', { ms: 1_000_000 })
  socket.write('y')
  await proxy.set('pass')
  expect(await take(socket, 1)).toEqual(Buffer.from('y'))
})

test('a delay does not lower the throughput', async () => {
  const socket = await dial()
  await proxy.set('delay', { ms: 250 })
  const startedAt = performance.now()
  const body = Buffer.alloc(2 * 2 ** 20, 'x')
  socket.end(body)

  expect((await buffer(socket)).equals(body)).toBe(true)
  // One piece of 64 KiB after the other would take 8 s and more.
  expect(performance.now() - startedAt).toBeLessThan(6_000)
})

test('slow forwards the bytes at the given rate', async () => {
  const socket = await dial()
  await proxy.set('slow', { bytesPerSecond: 20_000 })
  const startedAt = performance.now()
  socket.end(Buffer.alloc(4_000, 'x'))

  expect(await buffer(socket)).toHaveLength(4_000)
  expect(performance.now() - startedAt).toBeGreaterThan(180)
})

test('slice forwards byte by byte', async () => {
  const socket = await dial()
  await proxy.set('slice')
  socket.end('0123456789')

  expect((await buffer(socket)).toString()).toBe('0123456789')
  // The kernel may put two together before the target reads.
  expect(received.length).toBeGreaterThanOrEqual(8)
})

test('reset and end close every connection at once, on both sides', async () => {
  const first = await dial()
  first.write('x')
  await once(first, 'data')
  const failures = Promise.all([failureOf(first), failureOf(targetSockets[0] as Socket)])
  proxy.reset()
  expect(await failures).toEqual(['ECONNRESET', 'ECONNRESET'])

  const second = await dial()
  second.write('x')
  await once(second, 'data')
  const ends = Promise.all([once(second, 'end'), once(targetSockets[1] as Socket, 'end')])
  proxy.end()
  second.resume()
  await ends
  second.end()
  await until(() => proxy.active === 0)
})

test('an unknown mode and a missing number are refused', async () => {
  await expect(proxy.set('nope' as 'pass')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
  await expect(proxy.set('delay')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
  await expect(proxy.set('slow', { bytesPerSecond: 0 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
  expect(proxy.mode).toBe('pass')
})

test('a target that is no URL is refused without showing it', async () => {
  const start = startFaultProxy({ target: 'amqp://user:secret@host:port' })

  await expect(start).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
  await expect(start).rejects.not.toThrow(/secret/)
})

test('it can listen on a Unix socket', async () => {
  const path = join(tmpdir(), `fault-proxy-${process.pid}.sock`)
  const other = await startFaultProxy({ target: { port: targetPort }, path })
  const socket = connect(path)
  clients.push(socket)
  socket.end('x')

  expect((await buffer(socket)).toString()).toBe('x')
  expect(other).toMatchObject({ url: path, port: 0 })
  await other.stop()
  expect(existsSync(path)).toBe(false)
})

test('a stopped proxy listens no more, and a second stop does nothing', async () => {
  await proxy.stop()
  await proxy.stop()
  const socket = connect(proxy.port, '127.0.0.1')
  clients.push(socket)

  expect(await failureOf(socket)).toBe('ECONNREFUSED')
})
