// Publishes through brokers that send broken frames, each broken in another way by a seed, and reports what became
// of it all. Run by hostile-input.test.ts in a process of its own, whose end would be the finding.
import { createProducerPool, PooledProducerError } from '../../../lib/index.ts'
import { CHANNEL_1, type Script, type SentMethod, START, startScriptedServer } from '../../amqp/scripted-server.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

const { SEED, CASES, PASSWORD } = process.env
const AT_ONCE = 25
let state = Number(SEED)

/** The next number below a limit, from the seed (mulberry32). */
function random(limit: number): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
}

function randomBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)))
}

/** A frame, sound but for its payload; or with a wrong size, end or channel. */
function brokenFrame(): Buffer {
  const payload = randomBytes(random(40))
  // As often as not a method of the class basic.
  if (random(2) === 0 && payload.length > 4) payload.writeUInt32BE((60 << 16) + 10 * random(13), 0)
  const frame = Buffer.concat([Buffer.alloc(7), payload, Buffer.from([random(8) === 0 ? random(256) : 0xce])])
  frame.writeUInt8(random(6) === 0 ? random(256) : 1 + random(3), 0)
  frame.writeUInt16BE(random(4) === 0 ? random(65_536) : random(2), 1)
  frame.writeUInt32BE(random(8) === 0 ? random(2 ** 31) * 2 : payload.length, 3)
  return frame
}

const SOUND: SentMethod[] = [
  START,
  { name: 'ConnectionTune', fields: { channelMax: 10, frameMax: 4_096, heartbeat: 1 } },
  { name: 'ConnectionOpenOk', fields: { knownHosts: '' } },
  { name: 'ConnectionBlocked', fields: { reason: 'no memory' } },
  { name: 'ConnectionUnblocked' },
  { name: 'BasicAck', channel: 1, fields: { deliveryTag: 1, multiple: true } },
  { name: 'BasicNack', channel: 1, fields: { deliveryTag: 7, multiple: false, requeue: true } },
  { name: 'BasicReturn', channel: 1, fields: { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' } },
  { name: 'ChannelFlow', channel: 1, fields: { active: false } },
  { name: 'ChannelClose', channel: 1, fields: { replyCode: 404, replyText: 'no', classId: 60, methodId: 40 } },
  { name: 'ConnectionClose', fields: { replyCode: 501, replyText: 'no', classId: 0, methodId: 0 } },
]
const MOMENTS = [
  'ProtocolHeader',
  'ConnectionStartOk',
  'ConnectionOpen',
  'ChannelOpen',
  'ConfirmSelect',
  'BasicPublish',
]

function nonsense(): (SentMethod | Buffer | 'hang up')[] {
  return Array.from({ length: 1 + random(3) }, () => {
    if (random(10) === 0) return 'hang up' as const
    return random(3) === 0
      ? (SOUND[random(SOUND.length)] as SentMethod)
      : random(4) === 0
        ? randomBytes(random(200))
        : brokenFrame()
  })
}

const wrong: string[] = []
const uncaught: string[] = []
const codes: Record<string, number> = {}
let unsettled = 0
process.on('uncaughtException', (error) => uncaught.push(`${error.stack}`))
process.on('unhandledRejection', (error) => uncaught.push(`${(error as Error).stack}`))

async function tryOne(): Promise<void> {
  const moment = MOMENTS[random(MOMENTS.length)] as string
  const said = nonsense()
  const sound = (CHANNEL_1[moment] ?? []) as SentMethod[]
  const script: Script = { ...CHANNEL_1, [moment]: random(2) === 0 ? said : [...sound, ...said] }
  await using server = await startScriptedServer(script)
  const logger = new RecordedLog()
  const url = Object.assign(new URL(server.url), { username: 'user', password: PASSWORD as string }).href
  const pool = createProducerPool({
    broker: url,
    logger,
    publishTimeoutMs: 300,
    confirmTimeoutMs: 150,
    connectTimeoutMs: 300,
  })
  const publishing = Array.from({ length: 3 }, () => pool.publish({ routingKey: 'q', body: 'x', mandatory: true }))
  unsettled += publishing.length
  const outcomes = await Promise.allSettled(publishing)
  unsettled -= publishing.length
  for (const outcome of outcomes) {
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : undefined
    if (error !== undefined && !(error instanceof PooledProducerError)) wrong.push(`${(error as Error).stack}`)
    const code = error instanceof PooledProducerError ? error.code : 'confirmed'
    codes[code] = (codes[code] ?? 0) + 1
    if (error instanceof Error && `${error.stack}${JSON.stringify(error)}`.includes(PASSWORD as string))
      wrong.push('shown')
  }
  await pool.close({ timeoutMs: 100 })
  if (JSON.stringify(logger.records).includes(PASSWORD as string)) wrong.push('logged')
}

const cases = Number(CASES)
let started = 0
async function work(): Promise<void> {
  while (started < cases) {
    started++
    await tryOne()
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work))
console.log(JSON.stringify({ cases, unsettled, codes, wrong: wrong.slice(0, 5), uncaught: uncaught.slice(0, 5) }))
