import { once } from 'node:events'
import { connect as dial, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { freePort } from '../../lib/testing/free-port.ts'
import { type FaultProxy, startFaultProxy } from '../../lib/testing/index.ts'
import { rabbitmqNodeTest, uniqueName, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { closeConnections, newConnection, openConnection } from './recorded-owners.ts'
import { closing, OPEN_OK, startScriptedServer } from './scripted-server.ts'
import { selfSigned, tlsTest } from './self-signed.ts'

const broker = useBroker()
const proxies: FaultProxy[] = []
const trueTime = performance.now.bind(performance)
let dialled: jest.Spied<Socket['connect']>

beforeEach(() => {
  dialled = jest.spyOn(Socket.prototype, 'connect')
})

afterEach(async () => {
  await closeConnections()
  for (const proxy of proxies.splice(0)) await proxy.stop()
})

async function proxyTo(target = broker.url): Promise<FaultProxy> {
  const proxy = await startFaultProxy({ target })
  proxies.push(proxy)
  return proxy
}

/** The sockets that were dialled to a port, our own end of them. */
function socketsTo(port: number): Socket[] {
  return dialled.mock.contexts.filter((_, index) => {
    const [[options]] = dialled.mock.calls[index] as unknown as [[{ port?: number }]]
    return options.port === port
  }) as Socket[]
}

/** Puts the clock that times are measured by that much ahead of the true one. */
function passTime(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => trueTime() + ms)
}

/** The broker's URL with parts of it changed. */
function urlWith(parts: Partial<URL>, url = broker.url): string {
  return Object.assign(new URL(url), parts).href
}

test('it opens, tells its owner how long that took, and gives channels', async () => {
  const { connection, told } = newConnection(broker.url)
  expect(connection).toMatchObject({ state: 'idle', isOpen: false, frameMax: undefined, generation: 0 })
  connection.open()
  expect(connection.state).toBe('connecting')
  const opened = await told.next('opened')

  expect(opened).toMatchObject({ attempts: 1, openMs: expect.any(Number) })
  expect(connection).toMatchObject({ state: 'open', isOpen: true, isBlocked: false, generation: 1 })
  expect(connection.frameMax).toBeGreaterThanOrEqual(4_096)
  const channel = await connection.openChannel()
  await channel.close()
  expect(told.events).toHaveLength(1)
})

test('a second open does nothing', async () => {
  const proxy = await proxyTo()
  const { connection, told } = newConnection(proxy.url)
  connection.open()
  connection.open()
  await told.next('opened')
  connection.open()

  expect(proxy.connections).toBe(1)
  expect(connection.state).toBe('open')
})

test('it turns Nagle’s algorithm off, for it would hold back what is followed by a round trip', async () => {
  const setNoDelay = jest.spyOn(Socket.prototype, 'setNoDelay')
  await openConnection(broker.url)

  expect(setNoDelay.mock.calls.at(-1)).toEqual([true])
})

test('it asks for its heartbeat and gives its name, which the management pages show', async () => {
  await using server = await startScriptedServer()
  await openConnection(server.url, { name: 'tasks', heartbeatSeconds: 7 })

  expect(server.received('ConnectionStartOk')?.fields.clientProperties).toMatchObject({
    connection_name: `pooled-producer tasks ${process.pid}/1`,
  })
  expect(server.received('ConnectionTuneOk')?.fields).toMatchObject({ heartbeat: 7, frameMax: 131_072 })
})

test('what the URL asks for goes before the options', async () => {
  await using server = await startScriptedServer()
  const { connection } = await openConnection(`${server.url}/a%2Fb%25?heartbeat=9&frameMax=8192&channelMax=3`)

  expect(server.received('ConnectionTuneOk')?.fields).toMatchObject({ heartbeat: 9, frameMax: 8_192, channelMax: 3 })
  expect(server.received('ConnectionOpen')?.fields).toMatchObject({ virtualHost: 'a/b%' })
  expect(connection.frameMax).toBe(8_192)
})

test('user name and password reach the broker as they are, whatever characters they have', async () => {
  await using server = await startScriptedServer()
  const url = new URL(server.url)
  await openConnection(`amqp://us%3Aer%25:p%40ss%2F%C3%A4%25@${url.host}`)

  const response = server.received('ConnectionStartOk')?.fields.response as Buffer
  expect(response.toString().split('\0')).toEqual(['', 'us:er%', 'p@ss/ä%'])
})

tlsTest('it opens over TLS with the authority given', async () => {
  const { key, cert } = selfSigned()
  const { hostname, port } = new URL(broker.url)
  const server = createTlsServer({ key, cert }, (socket) => {
    const target = dial(Number(port) || 5672, hostname)
    target.on('error', () => socket.destroy())
    socket.on('error', () => target.destroy())
    socket.pipe(target).pipe(socket)
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const tlsUrl = urlWith({ hostname: 'localhost', port: `${(server.address() as { port: number }).port}` })
  const { connection } = await openConnection(tlsUrl.replace(/^amqp:/, 'amqps:'), { tls: { ca: cert } })
  const channel = await connection.openChannel()
  await channel.close()
  await connection.close(1_000)
  server.close()

  expect(connection.broker).toMatch(/^amqps:\/\/.*@localhost:/)
})

test('the nodes are tried in turn, without a pause within a round', async () => {
  const ports = [await freePort(), await freePort()]
  const { connection, told } = newConnection([...ports.map((port) => `amqp://127.0.0.1:${port}`), broker.url])
  connection.open()

  expect(await told.next('opened')).toMatchObject({ attempts: 3 })
  expect(told.of('retrying')).toMatchObject([
    { attempt: 1, delayMs: 0, error: { code: 'ERR_BROKER_UNAVAILABLE' } },
    { attempt: 2, delayMs: 0, error: { code: 'ERR_BROKER_UNAVAILABLE' } },
  ])
  expect(connection.broker).toContain(new URL(broker.url).port)
})

test('connections begin with different nodes', async () => {
  const [first, second] = [await proxyTo(), await proxyTo()]
  for (const id of [1, 2, 3]) {
    const { connection, told } = newConnection([first.url, second.url], {}, id)
    connection.open()
    await told.next('opened')
  }

  expect([first.connections, second.connections]).toEqual([2, 1])
})

test('while no node answers it tries again with growing pauses, and opens once one does', async () => {
  const proxy = await proxyTo()
  await proxy.set('refuse')
  const { connection, told } = newConnection(proxy.url)
  connection.open()
  await told.next('retrying', 3)
  await expect(connection.openChannel()).rejects.toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: expect.stringMatching(/^no channel on amqp:.* it is not connected$/),
    cause: { code: 'ERR_BROKER_UNAVAILABLE' },
  })
  await proxy.set('pass')
  await told.next('opened')

  const [first, second, third] = told.of('retrying').map(({ delayMs }) => delayMs as number)
  expect(first).toBeGreaterThanOrEqual(50)
  expect(first).toBeLessThanOrEqual(100)
  expect(second).toBeGreaterThanOrEqual(100)
  expect(third).toBeGreaterThanOrEqual(200)
})

test('an attempt that takes too long is given up, and what opens too late is closed', async () => {
  const proxy = await proxyTo()
  await proxy.set('delay', { ms: 60 })
  const { connection, told } = newConnection(proxy.url, { connectTimeoutMs: 100 })
  connection.open()
  const { error } = await told.next('retrying')
  await proxy.set('pass')
  await told.next('opened')

  expect(error).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: expect.stringMatching(/no connection in 100 ms|connect ETIMEDOUT/),
  })
  await until(() => proxy.active === 1)
})

test('a silent server is given up after its time', async () => {
  const proxy = await proxyTo()
  await proxy.set('silent')
  const { connection, told } = newConnection(proxy.url, { connectTimeoutMs: 50 })
  connection.open()
  await told.next('retrying', 2)

  await connection.close(100)
  expect(socketsTo(proxy.port).length).toBeGreaterThan(1)
  await until(() => socketsTo(proxy.port).every(({ destroyed }) => destroyed))
})

test('an attempt without an answer holds up no other: the next node is tried while it goes on', async () => {
  const silent = await proxyTo()
  await silent.set('silent')
  const { told } = await openConnection([silent.url, broker.url])

  expect(told.of('retrying')).toMatchObject([
    { attempt: 1, delayMs: 0, error: { message: expect.stringMatching(/no answer in 1500 ms/) } },
  ])
  expect(told.of('opened')).toMatchObject([{ attempts: 2 }])
  await until(() => socketsTo(silent.port).every(({ destroyed }) => destroyed))
})

test('the first attempt to be answered wins, though others came after it', async () => {
  const proxy = await proxyTo()
  await proxy.set('delay', { ms: 600 })
  const { connection, told } = await openConnection(proxy.url)
  await proxy.set('pass')

  expect(told.of('opened')).toHaveLength(1)
  expect(told.of('opened')[0]?.openMs).toBeGreaterThan(1_500)
  expect(told.of('retrying').length).toBeGreaterThan(0)
  await until(() => proxy.active === 1)
  expect(connection.state).toBe('open')
})

test('close gives up every attempt that is under way', async () => {
  const proxy = await proxyTo()
  await proxy.set('silent')
  const { connection, told } = newConnection(proxy.url)
  connection.open()
  await told.next('retrying')
  await until(() => proxy.connections === 2)
  await connection.close(100)

  await until(() => socketsTo(proxy.port).every(({ destroyed }) => destroyed))
  expect(connection.state).toBe('closed')
})

for (const [fault, parts] of [
  ['a wrong password', { password: 's3cret' }],
  ['a missing vhost', { password: 'guest', pathname: '/no-such-vhost' }],
] as const) {
  test(`${fault} is refused once, and not tried again and again`, async () => {
    const proxy = await proxyTo()
    const { connection, told } = newConnection(urlWith(parts, proxy.url))
    connection.open()
    const { error } = await told.next('refused')

    expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', retryable: false })
    expect(connection.state).toBe('refused')
    connection.open()
    expect(connection.state).toBe('refused')
    await expect(connection.openChannel()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', cause: error })
    expect(proxy.connections).toBe(1)
    expect(told.of('retrying')).toEqual([])
    expect(inspect([error, connection], { depth: 9 })).not.toContain('s3cret')
    await until(() => proxy.active === 0)
  })
}

test('a node that refused is left alone while the others are tried', async () => {
  const refusing = await proxyTo()
  const down = await proxyTo()
  await down.set('refuse')
  const { connection, told } = newConnection([urlWith({ password: 'wrong' }, refusing.url), down.url])
  connection.open()
  await told.next('retrying', 5)
  await down.set('pass')
  await told.next('opened')

  expect(refusing.connections).toBe(1)
})

test('a node that refused is tried again after half a minute, though the others are still down', async () => {
  const refusing = await proxyTo()
  const down = await proxyTo()
  await down.set('refuse')
  const { connection, told } = newConnection([urlWith({ password: 'wrong' }, refusing.url), down.url])
  connection.open()
  await told.next('retrying', 3)
  expect(refusing.connections).toBe(1)
  passTime(30_000)

  await until(() => refusing.connections === 2)
})

test('a refused connection is tried again when somebody asks after half a minute, and no sooner', async () => {
  const proxy = await proxyTo()
  const { connection, told } = newConnection(urlWith({ password: 'wrong' }, proxy.url))
  connection.open()
  await told.next('refused')
  passTime(29_000)
  connection.open()
  expect(connection.state).toBe('refused')
  passTime(30_000)
  expect(proxy.connections).toBe(1)
  connection.open()

  await told.next('refused', 2)
  expect(proxy.connections).toBe(2)
})

test('when every node has refused, none is tried again', async () => {
  const [first, second] = [await proxyTo(), await proxyTo()]
  const urls = [first, second].map(({ url }) => urlWith({ password: 'wrong' }, url))
  const { connection, told } = newConnection(urls)
  connection.open()
  await told.next('refused')
  connection.open()

  expect(told.events.map(({ name }) => name)).toEqual(['retrying', 'refused'])
  expect([first.connections, second.connections]).toEqual([1, 1])
})

test.each(['reset', 'end'] as const)('a connection that the network ends by %s is opened again', async (fault) => {
  const proxy = await proxyTo()
  const { connection, told } = await openConnection(proxy.url)
  proxy[fault]()
  await told.next('opened', 2)

  expect(told.events.map(({ name }) => name)).toEqual(['opened', 'lost', 'opened'])
  expect(told.of('lost')[0]).toMatchObject({ reason: expect.stringMatching(/ECONNRESET|Unexpected close|write EPIPE/) })
  expect(connection).toMatchObject({ state: 'open', generation: 2, lastError: undefined })
})

test('a lost connection goes on to the next node', async () => {
  const [first, second] = [await proxyTo(), await proxyTo()]
  const { connection, told } = newConnection([first.url, second.url])
  connection.open()
  await told.next('opened')
  first.reset()
  await told.next('opened', 2)

  expect([first.connections, second.connections]).toEqual([1, 1])
})

test('a broker that accepts and drops is not hammered', async () => {
  await using server = await startScriptedServer({ ConnectionOpen: [OPEN_OK, 'hang up'] })
  const startedAt = performance.now()
  const { connection } = newConnection(server.url)
  connection.open()
  await until(() => server.connections === 4)

  // Pauses of 50, 100 and 200 ms at least.
  expect(performance.now() - startedAt).toBeGreaterThan(340)
})

test('a broker that closes the connection in the same breath as it opens it is left for another try', async () => {
  const shutdown = closing('ConnectionClose', 320, 'CONNECTION_FORCED - shutdown')
  await using server = await startScriptedServer({ ConnectionOpen: [OPEN_OK, shutdown] })
  const { connection } = newConnection(server.url)
  connection.open()

  await until(() => server.connections === 2)
})

test('a connection that the broker closes is opened again, for the reason that it gave', async () => {
  await using server = await startScriptedServer({
    ChannelOpen: [
      closing('ConnectionClose', 320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
    ],
  })
  const { connection, told } = await openConnection(server.url)
  await expect(connection.openChannel()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  await told.next('opened', 2)

  expect(told.of('lost')[0]?.reason).toMatch(/320 \(CONNECTION-FORCED\).*reason 'shutdown'/)
})

test('garbage from the broker costs the connection and nothing else', async () => {
  await using server = await startScriptedServer({ ChannelOpen: [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')] })
  const { connection, told } = await openConnection(server.url)
  await expect(connection.openChannel()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  await told.next('opened', 2)

  expect(connection.state).toBe('open')
})

test('a peer that falls silent is noticed after three heartbeats, and its socket is not left half open', async () => {
  const proxy = await proxyTo()
  const { told } = await openConnection(proxy.url, { heartbeatSeconds: 1 })
  const [socket] = socketsTo(proxy.port)
  await proxy.set('black-hole')

  expect(await told.next('lost')).toMatchObject({ reason: 'Heartbeat timeout' })
  expect(socket).toMatchObject({ destroyed: true })
})

test('of a peer that has fallen silent no socket is left', async () => {
  const proxy = await proxyTo()
  const { connection, told } = await openConnection([proxy.url, broker.url], { heartbeatSeconds: 1 })
  await proxy.set('black-hole')
  await told.next('lost')
  await until(() => connection.isOpen)

  await until(() => socketsTo(proxy.port).every(({ destroyed }) => destroyed))
})

test('an aborted connection is opened anew', async () => {
  const proxy = await proxyTo()
  const { connection, told } = await openConnection(proxy.url)
  connection.abort(new Error('no answer'))
  await told.next('opened', 2)

  expect(told.of('lost')).toMatchObject([{ reason: 'no answer', lifetimeMs: expect.any(Number) }])
  await until(() => proxy.active === 1)
})

test('more channels than agreed on are refused one by one, and the connection lives on', async () => {
  const { connection } = await openConnection(urlWith({ search: '?channelMax=1' }))
  await connection.openChannel()

  await expect(connection.openChannel()).rejects.toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: expect.stringMatching(/No channels left to allocate$/),
  })
  expect(connection.state).toBe('open')
})

test('a connection on which no channel is opened in 5 s is given up for another', async () => {
  const proxy = await proxyTo()
  const { connection, told } = await openConnection([proxy.url, broker.url], { heartbeatSeconds: 0 })
  await proxy.set('black-hole-down')

  await expect(connection.openChannel()).rejects.toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: expect.stringMatching(/the broker opened no channel in 5000 ms$/),
  })
  expect(await told.next('lost')).toMatchObject({ reason: 'the broker opened no channel in 5000 ms' })
  await until(() => connection.isOpen)
  await (await connection.openChannel()).close()
})

test('a channel has no longer to open than a connection', async () => {
  const proxy = await proxyTo()
  const { connection } = await openConnection(proxy.url, { connectTimeoutMs: 200 })
  await proxy.set('black-hole-down')

  await expect(connection.openChannel()).rejects.toThrow(/the broker opened no channel in 200 ms$/)
})

test('close ends it for good', async () => {
  const proxy = await proxyTo()
  const { connection, told } = await openConnection(proxy.url)
  await connection.close(1_000)
  await connection.close(1_000)
  connection.open()

  expect(connection).toMatchObject({ state: 'closed', isOpen: false, frameMax: undefined })
  expect(told.of('lost')).toMatchObject([{ reason: 'closed by the pool' }])
  await until(() => proxy.active === 0)
  await expect(connection.openChannel()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  expect(proxy.connections).toBe(1)
})

test('a connection that was never opened can be closed', async () => {
  const { connection, told } = newConnection(broker.url)
  await connection.close(1_000)

  expect(connection.state).toBe('closed')
  expect(told.events).toEqual([])
})

test('a connection that is closed while it connects does not stay open', async () => {
  const proxy = await proxyTo()
  await proxy.set('delay', { ms: 20 })
  const { connection, told } = newConnection(proxy.url)
  connection.open()
  await until(() => proxy.connections === 1)
  await connection.close(1_000)

  await until(() => proxy.active === 0)
  expect(told.events).toEqual([])
  expect(connection.state).toBe('closed')
})

test('a connection that is closed between two attempts makes no more of them', async () => {
  const proxy = await proxyTo()
  await proxy.set('reset')
  const { connection, told } = newConnection(proxy.url)
  connection.open()
  await told.next('retrying')
  const tried = proxy.connections
  await connection.close(1_000)
  // The next attempt would have come within 100 ms.
  const closedAt = performance.now()
  await until(() => performance.now() > closedAt + 150)

  expect(proxy.connections).toBe(tried)
})

test.each(['black-hole', 'black-hole-down', 'black-hole-up'] as const)(
  'close ends within its limit in a %s, and leaves no socket',
  async (mode) => {
    const proxy = await proxyTo()
    const { connection } = await openConnection(proxy.url)
    await proxy.set(mode)
    const startedAt = performance.now()
    await connection.close(100)

    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(connection.state).toBe('closed')
    expect(socketsTo(proxy.port).map(({ destroyed }) => destroyed)).toEqual([true])
  },
)

test('close does not wait for its limit when the connection is lost meanwhile', async () => {
  await using server = await startScriptedServer({ ConnectionClose: ['hang up'] })
  const { connection } = await openConnection(server.url)
  const startedAt = performance.now()
  await connection.close(20_000)

  expect(performance.now() - startedAt).toBeLessThan(15_000)
})

rabbitmqNodeTest('an operator sees its name', async () => {
  const name = uniqueName('seen')
  await openConnection(broker.url, { name })

  expect(await broker.ctl('list_connections', 'client_properties')).toContain(
    `pooled-producer ${name} ${process.pid}/1`,
  )
})
