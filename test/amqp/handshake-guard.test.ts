import type { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import type { ChannelModel } from 'amqplib'
import { earlyErrorOf, guardHandshakes } from '../../lib/amqp/handshake-guard.ts'
import { connectPlainly } from '../../lib/amqp/plain-connection.ts'
import { amqplibModule } from './amqplib-bytes.ts'
import { closeConnections, newConnection } from './recorded-owners.ts'
import { closing, OPEN_OK, type Script, startScriptedServer } from './scripted-server.ts'

type OnFrame = (error: Error | null, frame: object | null) => void

/** What of amqplib's own connection is guarded. */
interface InnerConnection extends EventEmitter {
  acceptLoop(): void
  step(onFrame: OnFrame): void
  recvFrame(): object
}

interface Inner {
  Connection: { new (stream: PassThrough): InnerConnection; readonly prototype: InnerConnection }
}

const { Connection } = amqplibModule('connection') as Inner

afterEach(closeConnections)

const channelOpenOk = { name: 'ChannelOpenOk', channel: 7, fields: { channelId: Buffer.alloc(0) } }

/** What may come in one piece with open-ok, and what is said of it. */
const IN_ONE_PIECE: [string, Script, RegExp][] = [
  ['a close over an error', { ConnectionOpen: [OPEN_OK, closing('ConnectionClose', 501, 'FRAME_ERROR')] }, /501/],
  ['bytes that are no frame', { ConnectionOpen: [OPEN_OK, Buffer.from('<html>no frame</html>')] }, /not an AMQP/],
  ['a frame for a channel that nobody opened', { ConnectionOpen: [OPEN_OK, channelOpenOk] }, /unknown channel/],
  ['a method that is not for clients', { ConnectionOpen: [OPEN_OK, OPEN_OK] }, /Unexpected frame on channel 0/],
]

test.each(IN_ONE_PIECE)(
  '%s in one piece with open-ok is a failed attempt, not the end of the process',
  async (_, script, said) => {
    await using server = await startScriptedServer(script)
    const { connection, told } = newConnection([server.url, server.url])
    connection.open()
    const { error } = await told.next('retrying')

    expect((error as Error).message).toMatch(said)
    expect(told.of('opened')).toEqual([])
  },
)

test('an alarm in one piece with open-ok blocks the connection until its end', async () => {
  const blocked = { name: 'ConnectionBlocked', fields: { reason: 'low on memory' } }
  await using server = await startScriptedServer({ ConnectionOpen: [OPEN_OK, blocked] })
  const { connection, told } = newConnection(server.url)
  connection.open()
  await told.next('blocked')
  expect(connection.isBlocked).toBe(true)
  server.send({ name: 'ConnectionUnblocked' })
  await told.next('unblocked')

  expect(told.events.map(({ name }) => name)).toEqual(['opened', 'blocked', 'unblocked'])
  expect(connection.state).toBe('open')
})

test('a connection that nothing is wrong with has no early error', async () => {
  await using server = await startScriptedServer()
  const connection = await connectPlainly(server.url)

  expect(earlyErrorOf(connection)).toBeUndefined()
  await connection.close()
})

test('of several early errors the first is kept: the others come of it', () => {
  guardHandshakes()
  const connection = new Connection(new PassThrough())
  connection.acceptLoop()
  const first = new Error('first')
  for (const error of [first, new Error('second')]) connection.emit('error', error)

  expect(earlyErrorOf({ connection } as unknown as ChannelModel)).toBe(first)
})

/** The guard, and the module of amqplib's that it guards, both loaded anew. */
async function loadedAnew(): Promise<{ guard: () => void; inner: Inner }> {
  jest.resetModules()
  const { guardHandshakes: guard } = await import('../../lib/amqp/handshake-guard.ts')
  return { guard, inner: amqplibModule('connection') as Inner }
}

/** What amqplib is given for a frame of the handshake. */
async function stepped(recvFrame: () => object): Promise<Parameters<OnFrame>> {
  const { guard, inner } = await loadedAnew()
  guard()
  const connection = Object.assign(new inner.Connection(new PassThrough()), { recvFrame })
  const onFrame = jest.fn<OnFrame>()
  connection.step(onFrame)
  expect(onFrame).toHaveBeenCalledTimes(1)
  return onFrame.mock.calls[0] as Parameters<OnFrame>
}

const { ConnectionClose, ConnectionOpenOk } = amqplibModule('defs') as Record<string, number>

test('a close in the handshake is an error that says why the broker closes', async () => {
  const fields = { replyCode: 320, replyText: 'CONNECTION_FORCED' }
  const [error, frame] = await stepped(() => ({ id: ConnectionClose, fields }))

  expect(error?.message).toBe('Handshake terminated by server: 320 (CONNECTION_FORCED)')
  expect(frame).toBeNull()
})

test.each([
  ['another method', { id: ConnectionOpenOk, fields: { replyCode: 320, replyText: 'no close' } }],
  ['a close that does not say why', { id: ConnectionClose }],
])('%s in the handshake is left to amqplib as it is', async (_, sent) => {
  expect(await stepped(() => sent)).toEqual([null, sent])
})

test('bytes in the handshake that are no frame are left to amqplib as they are', async () => {
  const broken = new Error('Invalid frame')
  const readBroken = () => {
    throw broken
  }

  expect(await stepped(readBroken)).toEqual([broken, null])
})

test('however often it is asked for, amqplib is guarded once', async () => {
  const { guard, inner } = await loadedAnew()
  guard()
  const { acceptLoop, step } = inner.Connection.prototype
  guard()

  expect(inner.Connection.prototype.acceptLoop).toBe(acceptLoop)
  expect(inner.Connection.prototype.step).toBe(step)
})

describe('where amqplib is not built as expected', () => {
  test.each(['acceptLoop', 'step'] as const)('without %s that stays away', async (name) => {
    const { guard, inner } = await loadedAnew()
    const prototype: Partial<InnerConnection> = inner.Connection.prototype
    delete prototype[name]
    guard()

    expect(prototype[name]).toBeUndefined()
  })

  test('without its connection nothing is guarded', async () => {
    const { guard, inner } = await loadedAnew()
    delete (inner as Partial<Inner>).Connection

    expect(guard).not.toThrow()
  })
})
