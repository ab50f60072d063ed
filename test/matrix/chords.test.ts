import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { createClient } from 'redis'
import { useBroker } from '../support/broker.ts'
import { celeryTest, hasCelery } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { useQueues } from '../support/queues.ts'
import { hasRedis, type RedisServer, redisTest, startRedisServer } from '../support/redis-server.ts'
import { type BothSides, expectAlike, madeByBoth, sendAll } from './both-sides.ts'
import { CHORD_CALLS, NESTED_CHORD } from './calls.ts'
import { type RecordedWorker, startRecordedWorker } from './recorded-worker.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const chordTest = hasRedis() ? celeryTest : redisTest

let redis: RedisServer | undefined
let worker: RecordedWorker | undefined
let made = new Map<string, BothSides>()

beforeAll(async () => {
  if (!hasCelery() || !hasRedis()) return
  redis = await startRedisServer()
  const { url: backend } = redis
  worker = await startRecordedWorker({ brokerUrl: broker.url, backend, queue: broker.queueName('chords') })
  const both = { ours: backend, celery: backend }
  made = await madeByBoth(CHORD_CALLS, worker, { broker: broker.url, backend: both, queue: worker.queue })
}, 180_000)
afterAll(async () => {
  await worker?.stop()
  await redis?.stop()
})

describe('a real worker’s request object is the same, whoever started the chord:', () => {
  for (const { title } of CHORD_CALLS) chordTest(title, () => expectAlike(made.get(title) as BothSides))
})

chordTest(
  'what stands in Redis before a worker has begun is the same',
  async () => {
    const { url } = redis as RedisServer
    const backend = { ours: `${url}/1`, celery: `${url}/2` }
    const sent = await sendAll([...CHORD_CALLS, NESTED_CHORD], { broker: broker.url, backend, queue: queues.name() })
    expect([...sent.ours, ...sent.celery].map(({ error }) => error).filter((error) => error !== undefined)).toEqual([])

    const [ours, celery] = [await stored(backend.ours), await stored(backend.celery)]
    expect(ours).toEqual(celery)
    expect(celery).toContain('celery-taskset-meta-<id>.s = 3 for 86400 s')
  },
  60_000,
)

const ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

/** All keys of a database with their values, and how long they last to the next minute. */
async function stored(url: string): Promise<string[]> {
  const client = await createClient({ url }).connect()
  afterTest(() => client.destroy())
  const lines: string[] = []
  for (const key of await client.keys('*')) {
    const seconds = Math.ceil((await client.ttl(key)) / 60) * 60
    lines.push(`${key} = ${(await client.get(key))?.replace(/ /g, '')} for ${seconds} s`.replace(ID, '<id>'))
  }
  return lines.sort()
}
