import type { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { afterEach, expect, test } from '@jest/globals'
import type { ChannelModel } from 'amqplib'
import { earlyErrorOf, guardHandshakes } from '../../lib/amqp/handshake-guard.ts'
import { connectPlainly } from '../../lib/amqp/plain-connection.ts'
import { amqplibModule } from './amqplib-bytes.ts'
import { closeConnections, newConnection } from './recorded-owners.ts'
import { closing, OPEN_OK, type Script, startScriptedServer } from './scripted-server.ts'

const { Connection } = amqplibModule('connection') as {
  Connection: new (stream: PassThrough) => EventEmitter & { acceptLoop(): void }
}

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

test('however often it is asked for, amqplib is guarded once', () => {
  guardHandshakes()
  const { acceptLoop } = Connection.prototype
  guardHandshakes()

  expect(Connection.prototype.acceptLoop).toBe(acceptLoop)
})
