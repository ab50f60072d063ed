import { Socket } from 'node:net'
import { afterEach, expect, jest, test } from '@jest/globals'
import { connectPlainly, endPlainly, type PlainConnection } from '../../lib/amqp/plain-connection.ts'
import { freePort } from '../../lib/testing/free-port.ts'
import { startFaultProxy } from '../../lib/testing/index.ts'
import { useBroker } from '../support/broker.ts'

const broker = useBroker()
const connections: PlainConnection[] = []

afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close().catch(() => {})
})

async function connected(...args: Parameters<typeof connectPlainly>): Promise<PlainConnection> {
  const connection = await connectPlainly(...args)
  connections.push(connection)
  return connection
}

test('it connects as an application does by hand', async () => {
  const setNoDelay = jest.spyOn(Socket.prototype, 'setNoDelay')
  const connection = await connected(broker.url)
  await connected(broker.url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  await channel.close()

  // Nagle's algorithm is on by default: that is what is compared.
  expect(setNoDelay.mock.calls).toEqual([[false], [true]])
})

test('a wrong password is refused, and a closed port is worth another try', async () => {
  const url = Object.assign(new URL(broker.url), { password: 's3cret' }).href

  await expect(connectPlainly(url)).rejects.toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  await expect(connectPlainly(url)).rejects.not.toThrow(/s3cret/)
  await expect(connectPlainly(`amqp://127.0.0.1:${await freePort()}`)).rejects.toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
  })
})

test('a URL that is none is refused without showing it', async () => {
  await expect(connectPlainly('s3cret')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
  await expect(connectPlainly('s3cret')).rejects.not.toThrow(/s3cret/)
})

test('a lost connection does not end the process', async () => {
  await using proxy = await startFaultProxy({ target: broker.url })
  const connection = await connected(proxy.url, { noDelay: true })
  const closed = new Promise((resolve) => connection.once('close', resolve))
  proxy.reset()
  await closed

  await expect(connection.createChannel()).rejects.toThrow(/closed/)
})

test('a socket of the file system is dialled by its path', async () => {
  await expect(connectPlainly('amqp+unix://localhost/no/such.sock')).rejects.toThrow(/ENOENT \/no\/such\.sock/)
})

/** A connection whose close comes to this, and what ends its socket. */
function closingWith(close: () => Promise<void>): { connection: PlainConnection; destroy: jest.Mock } {
  const destroy = jest.fn()
  return { connection: { close, connection: { stream: { destroy } } } as unknown as PlainConnection, destroy }
}

test('a connection that closes is not cut off', async () => {
  const close = jest.fn(async () => {})
  const { connection, destroy } = closingWith(close)
  await endPlainly(connection)

  expect(close).toHaveBeenCalledTimes(1)
  expect(destroy).not.toHaveBeenCalled()
})

test('a connection that is gone already ends quietly', async () => {
  const gone = new Error('Connection closed')
  const { connection, destroy } = closingWith(() => Promise.reject(gone))
  await endPlainly(connection)

  expect(destroy.mock.calls).toEqual([[gone]])
})

test('a close that the broker does not answer in 2 s cuts the connection off', async () => {
  jest.useFakeTimers()
  try {
    const { connection, destroy } = closingWith(() => new Promise(() => {}))
    const ended = endPlainly(connection)
    await jest.advanceTimersByTimeAsync(1_999)
    expect(destroy).not.toHaveBeenCalled()
    await jest.advanceTimersByTimeAsync(1)
    await ended

    expect(destroy.mock.calls).toEqual([[new Error('the connection was not closed in 2000 ms')]])
  } finally {
    jest.useRealTimers()
  }
})
