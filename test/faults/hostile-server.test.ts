import { expect, test } from '@jest/globals'
import { ack, CHANNEL_1, type Script, type SentMethod, startScriptedServer } from '../amqp/scripted-server.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, readyPool } from '../support/pools.ts'
import { startScript } from '../support/script.ts'

const broker = useBroker()
const GOOD = { routingKey: 'queue', body: 'x' }

function nack(deliveryTag: number, multiple = false): SentMethod {
  return { name: 'BasicNack', channel: 1, fields: { deliveryTag, multiple, requeue: false } }
}

/** A frame's first bytes, with the size that it claims. */
function frameOf(type: number, channel: number, claimedSize: number): Buffer {
  const bytes = Buffer.alloc(7)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt16BE(channel, 1)
  bytes.writeUInt32BE(claimedSize, 3)
  return bytes
}

const NONSENSE: [string, Script[string]][] = [
  ['bytes that are no frame', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]],
  ['a method that is not for clients', [{ name: 'ConnectionOpenOk', fields: { knownHosts: '' } }]],
  ['a frame for a channel that nobody opened', [{ ...ack(1), channel: 99 }]],
  ['a body that nobody announced', [Buffer.from([3, 0, 1, 0, 0, 0, 1, 65, 0xce])]],
  ['a header that nobody announced', [Buffer.from([2, 0, 1, 0, 0, 0, 14, 0, 60, ...Array(12).fill(0), 0xce])]],
  ['a method that AMQP does not have', [Buffer.from([1, 0, 1, 0, 0, 0, 4, 0, 99, 0, 99, 0xce])]],
  ['a method that is cut off', [Buffer.from([1, 0, 1, 0, 0, 0, 5, 0, 60, 0, 80, 0, 0xce])]],
  ['a frame without its end', [Buffer.from([8, 0, 0, 0, 0, 0, 0, 0])]],
  ['a method for which nobody waits', [{ name: 'QueueDeleteOk', channel: 1, fields: { messageCount: 1 } }]],
]

test.each(NONSENSE)(
  'row 45: after %s the publish is confirmed over another channel or connection',
  async (_, nonsense) => {
    const first = nonsense as (SentMethod | Buffer)[]
    await using server = await startScriptedServer({
      ...CHANNEL_1,
      BasicPublish: (times) => (times === 1 ? first : [ack(1)]),
    })
    const pool = await readyPool({ broker: server.url, maxChannels: 1, confirmTimeoutMs: 500 })

    expect(await pool.publish(GOOD)).toMatchObject({ attempts: 2 })
    expect(pool.stats()).toMatchObject({
      confirms: 1,
      failures: 0,
      retries: 1,
      inFlight: 0,
      waiting: 0,
      bufferedBytes: 0,
    })
  },
)

test('row 46: a server with frames below the minimum is refused', async () => {
  const fields = { channelMax: 10, frameMax: 100, heartbeat: 0 }
  await using server = await startScriptedServer({ ConnectionStartOk: [{ name: 'ConnectionTune', fields }] })
  const pool = makePool({ broker: server.url })

  expect(await failureOf(pool.publish(GOOD))).toMatchObject({ code: 'ERR_BROKER_REFUSED', outcome: 'not-sent' })
  expect(server.connections).toBe(1)
})

test('row 46: a frame of 4 GiB is refused by its first bytes, and takes no memory', async () => {
  await using server = await startScriptedServer({
    ...CHANNEL_1,
    BasicPublish: (times) => (times === 1 ? [frameOf(3, 1, 0xffff_ffff), Buffer.alloc(100_000)] : [ack(1)]),
  })
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const before = process.memoryUsage().rss
  await pool.publish(GOOD)

  expect(server.connections).toBe(2)
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20)
})

test('row 48: errors of channels and connections that nobody listens for do not end the process', async () => {
  const script = startScript(
    `import { createProducerPool } from '../../lib/index.ts'
    const pool = createProducerPool({ broker: process.env.BROKER, logger: false })
    await pool.ready()
    void pool.publish({ exchange: 'nope', routingKey: '', body: 'x' })
    await pool.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })
    const lost = createProducerPool({ broker: process.env.HOSTILE, logger: false, publishTimeoutMs: 500 })
    void lost.publish({ routingKey: 'queue', body: 'x' })
    await lost.drain()
    await Promise.all([pool.close(), lost.close()])
    console.log(JSON.stringify(pool.stats()))`,
    { BROKER: broker.url, HOSTILE: await brokenServer() },
  )

  expect(JSON.parse(await script.nextLine())).toMatchObject({ confirms: 1, failures: 1, channelsClosed: 2 })
  expect(await script.ended).toEqual({ code: 0, signal: null })
})

async function brokenServer(): Promise<string> {
  const close = {
    name: 'ConnectionClose',
    fields: { replyCode: 501, replyText: 'FRAME_ERROR', classId: 0, methodId: 0 },
  }
  const server = await startScriptedServer({ ...CHANNEL_1, BasicPublish: [close] })
  afterTest(() => server[Symbol.asyncDispose]())
  return server.url
}

test('row 68: acks in any order, twice, for many and for unknown tags settle what they name and nothing else', async () => {
  await using server = await startScriptedServer(CHANNEL_1)
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  const settled: string[] = []
  const publish = (n: number) => {
    pool.publish({ ...GOOD, body: `${n}` }).then(
      () => settled.push(`${n}`),
      ({ code }) => settled.push(`${n} ${code}`),
    )
  }
  for (let n = 1; n <= 12; n++) publish(n)
  await until(() => server.count('BasicPublish') === 12)
  const after = async (count: number, ...answer: SentMethod[]) => {
    server.send(...answer)
    await until(() => settled.length >= count)
    return settled.splice(0)
  }

  expect(await after(1, ack(3))).toEqual(['3'])
  expect(await after(1, ack(3), ack(999), ack(5))).toEqual(['5'])
  expect(await after(4, ack(6, true))).toEqual(['1', '2', '4', '6'])
  expect(await after(1, ack(6, true), ack(1), nack(2), ack(999, false), ack(12))).toEqual(['12'])
  expect(await after(2, ack(8, true), nack(8))).toEqual(['7', '8'])
  // Tag 0 with multiple set is AMQP's word for all.
  expect(await after(3, ack(0, true))).toEqual(['9', '10', '11'])
  expect(pool.stats()).toMatchObject({ confirms: 12, failures: 0, inFlight: 0, bufferedBytes: 0 })
})

test("row 68: an ack that comes after its message's deadline is nobody else's", async () => {
  await using server = await startScriptedServer(CHANNEL_1)
  const pool = await readyPool({ broker: server.url, maxChannels: 1 })
  expect(await failureOf(pool.publish(GOOD, { timeoutMs: 100 }))).toMatchObject({ outcome: 'unknown' })
  let isSettled = false
  const next = pool.publish(GOOD).finally(() => {
    isSettled = true
  })
  await until(() => server.count('BasicPublish') === 2)
  expect(pool.stats().inFlight).toBe(2)
  server.send(ack(1))
  await until(() => pool.stats().inFlight === 1)

  expect(isSettled).toBe(false)
  server.send(ack(2))
  expect(await next).toMatchObject({ attempts: 1 })
})
