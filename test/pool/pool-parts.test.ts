import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { expect, test } from '@jest/globals'
import type { Declaration } from '../../lib/pool/declarations.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { ack, CONFIRMING, closing, type SentMethod, startScriptedServer } from '../amqp/scripted-server.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, NOWHERE, readyPool } from '../support/pools.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const MESSAGE = { routingKey: 'q', body: 'x' }
/** What never goes out fails soon. */
const SOON = { timeoutMs: 10_000 }

/** The broker closes the channel over an operation of this class and method. */
function channelClose(replyCode: number, replyText: string, classId = 0, methodId = 0): SentMethod {
  return { name: 'ChannelClose', channel: 1, fields: { replyCode, replyText, classId, methodId } }
}

const QUEUE_DECLARED: SentMethod = {
  name: 'QueueDeclareOk',
  channel: 1,
  fields: { queue: 'q', messageCount: 0, consumerCount: 0 },
}

function queueDeclaration(): Declaration {
  return { name: 'queue q', queue: 'q', isDeclared: false, declare: (channel) => channel.assertQueue('q') }
}

/** Publishes what must be declared first. */
function send(pool: ProducerPool, declaration: Declaration, exchange = ''): Promise<unknown> {
  return pool.send(prepare({ ...MESSAGE, exchange }, undefined), undefined, SOON, declaration)
}

test('who waits gets on as soon as there is a connection, and the channel is free again', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = makePool({ broker: server.url, maxChannels: 1 })
  const waiting = [pool.use(({ channelId }) => channelId, SOON), pool.publish(MESSAGE, SOON), pool.ready(SOON)]

  expect(await Promise.all(waiting)).toMatchObject([1, { attempts: 1 }, undefined])
  expect(pool.stats()).toMatchObject({ connections: 1, channels: 1, leased: 0, idle: 1, confirms: 1 })
})

test('what waits while the broker blocks the connection goes out when it reads again', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  server.send({ name: 'ConnectionBlocked', fields: { reason: 'memory' } })
  await until(() => pool.state === 'blocked')
  const publishing = pool.publish(MESSAGE, SOON)
  await new Promise((resolve) => setImmediate(resolve))
  expect(pool.stats().waiting).toBe(1)
  server.send({ name: 'ConnectionUnblocked' })

  expect(await publishing).toMatchObject({ attempts: 1 })
})

test('a refusal of the broker’s ends every wait, each with an error of its own, and is told to whoever comes later', async () => {
  await using server = await startScriptedServer({
    ConnectionOpen: [closing('ConnectionClose', 530, 'NOT_ALLOWED')],
  })
  const pool = makePool({ broker: server.url })
  const [one, other, ...publishes] = await Promise.all([
    failureOf(pool.acquire()),
    failureOf(pool.acquire()),
    failureOf(pool.publish(MESSAGE)),
    failureOf(pool.publish(MESSAGE)),
  ])
  for (const error of [one, other, ...publishes]) expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED' })
  expect(new Set([one, other, ...publishes]).size).toBe(4)
  for (const error of publishes) expect(error).toMatchObject({ outcome: 'not-sent' })

  for (const late of [pool.acquire(), pool.publish(MESSAGE)]) {
    expect(await failureOf(late)).toMatchObject({ code: 'ERR_BROKER_REFUSED', outcome: 'not-sent' })
  }
})

test('once the broker has been away for long, a publish is refused at once', async () => {
  const pool = makePool({ broker: NOWHERE, failFastAfterMs: 1 })
  const failure = () => failureOf(pool.publish(MESSAGE, { timeoutMs: 10 }))
  await until(async () => (await failure()).message.startsWith('refused at once'))

  expect(await failure()).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', outcome: 'not-sent' })
})

test('what must be declared is declared once, on a channel that is given back, before the message goes out', async () => {
  await using server = await startScriptedServer({ ...CONFIRMING, QueueDeclare: [QUEUE_DECLARED] })
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const declaration = queueDeclaration()
  await Promise.all([send(pool, declaration), send(pool, declaration)])
  await send(pool, declaration)

  expect([server.count('QueueDeclare'), server.count('BasicPublish')]).toEqual([1, 3])
  expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 })
})

test('a declaration that the broker refuses is warned of, and the message goes out all the same', async () => {
  await using server = await startScriptedServer({
    ...CONFIRMING,
    QueueDeclare: [channelClose(406, 'PRECONDITION_FAILED')],
  })
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: server.url, maxChannels: 1, logger })

  expect(await send(pool, queueDeclaration())).toMatchObject({ attempts: 1 })
  expect(logger.of('pool.warning')).toMatchObject([
    { reason: expect.stringMatching(/^queue q was not declared: .*PRECONDITION_FAILED/) },
  ])
})

test('what the pool declared and the broker has lost is declared again by the next publish, as the error says', async () => {
  await using server = await startScriptedServer({
    ...CONFIRMING,
    ExchangeDeclare: [{ name: 'ExchangeDeclareOk', channel: 1 }],
    BasicPublish: (times) =>
      times === 1 ? [channelClose(404, "NOT_FOUND - no exchange 'e' in vhost '/'", 60, 40)] : [ack(1)],
  })
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const declaration: Declaration = {
    name: 'exchange e',
    exchange: 'e',
    isDeclared: false,
    declare: (channel) => channel.assertExchange('e', 'direct'),
  }
  expect(await failureOf(send(pool, declaration, 'e'))).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', retryable: true })

  expect(await send(pool, declaration, 'e')).toMatchObject({ attempts: 1 })
  expect(server.count('ExchangeDeclare')).toBe(2)
})

test('a lease whose window was full writes on once the broker has confirmed', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url, maxChannels: 1, maxInFlight: 1 })
  const producer = await pool.acquire()
  const receipts = await Promise.all([1, 2, 3].map(() => producer.publish(MESSAGE, SOON)))

  expect(receipts.map(({ channel }) => channel)).toEqual([1, 1, 1])
})

test('a channel that the broker closes is counted, and another takes its place', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: server.url, maxChannels: 1, logger })
  server.send(channelClose(541, 'INTERNAL_ERROR'))
  await until(() => pool.stats().channelsClosed === 1)

  expect(await pool.publish(MESSAGE, SOON)).toMatchObject({ channel: 2 })
  expect(logger.of('channel.close')).toMatchObject([{ channel: 1 }])
  expect(pool.stats()).toMatchObject({ channels: 1, leased: 0, idle: 1 })
})

test('messages around one that made the broker close their channel are sent again over another', async () => {
  // The first two get no answer but the close; it names no message.
  await using server = await startScriptedServer({
    ...CONFIRMING,
    BasicPublish: (times) => (times > 2 ? [ack(times - 2)] : []),
  })
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const publishing = Promise.all([pool.publish(MESSAGE, SOON), pool.publish(MESSAGE, SOON)])
  await until(() => server.count('BasicPublish') === 2)
  server.send(channelClose(541, 'INTERNAL_ERROR'))

  expect(await publishing).toMatchObject([
    { channel: 2, attempts: 2 },
    { channel: 2, attempts: 2 },
  ])
})

test('what waits for a channel in vain is told how many there are, and who has them', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = makePool({ broker: server.url, maxChannels: 1 })
  await pool.acquire()

  expect(await failureOf(pool.publish(MESSAGE, { timeoutMs: 20 }))).toMatchObject({
    code: 'ERR_PUBLISH_TIMEOUT',
    message: expect.stringMatching(/^not sent in \d+ ms: 1 channels leased, 0 idle, 1 waiting$/),
    outcome: 'not-sent',
  })
  expect(await failureOf(pool.acquire({ timeoutMs: 20 }))).toMatchObject({
    code: 'ERR_ACQUIRE_TIMEOUT',
    stats: { leased: 1, idle: 0, waiting: 1 },
  })
})

test('a broker that is not there is the cause of an acquire that waits in vain', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: NOWHERE, logger })
  await until(() => logger.of('connection.retry').length > 0)

  expect(await failureOf(pool.acquire({ timeoutMs: 20 }))).toMatchObject({ cause: { code: 'ERR_BROKER_UNAVAILABLE' } })
})

test('a broker that opens no channel is the cause of what waits in vain', async () => {
  await using server = await startScriptedServer({ ChannelOpen: [channelClose(506, 'RESOURCE_ERROR')] })
  const pool = makePool({ broker: server.url, maxChannels: 1 })
  // It is tried again, so that it is known how it went.
  await until(() => server.count('ChannelOpen') > 1)
  const errors = [failureOf(pool.acquire({ timeoutMs: 20 })), failureOf(pool.publish(MESSAGE, { timeoutMs: 20 }))]

  for (const error of await Promise.all(errors)) {
    expect(error).toMatchObject({ cause: { message: expect.stringMatching(/RESOURCE_ERROR/) } })
  }
})

test("through amqplib's public publish a message is written in the context of whoever sent it, as a tracer needs it", async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url, fastPath: false, maxChannels: 1 })
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  await pool.use(({ channel: { raw } }) => {
    const { publish } = raw
    raw.publish = (...args) => {
      seen.push(context.getStore())
      return publish.apply(raw, args)
    }
  })
  await Promise.all(['one', 'other'].map((caller) => context.run(caller, () => pool.publish(MESSAGE, SOON))))

  expect(seen).toEqual(['one', 'other'])
})

test('with frames encoded ahead no context is kept, for nobody has a use for it', async () => {
  await using server = await startScriptedServer(CONFIRMING)
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const kept: string[] = []
  const hook = createHook({ init: (_, type) => void kept.push(type) }).enable()
  await pool.publish(MESSAGE, SOON)
  hook.disable()

  expect(kept).not.toContain('PooledProducerPublish')
})
