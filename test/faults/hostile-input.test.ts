import { isDeepStrictEqual } from 'node:util'
import { afterEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import type { Celery } from '../../lib/celery/celery.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { poolOptions } from '../../lib/options.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { makeApp } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { startScript } from '../support/script.ts'
import {
  ARGUMENT,
  type HostileMessage,
  type HostileTask,
  hostileMessage,
  hostileTask,
  plausible,
  SECRET,
  text,
} from './support/hostile-values.ts'
import { asPython, asTable, entry, type ReadBack, readBack } from './support/read-back.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const SEED = 20_261_126
/** Of tasks, and of messages. */
const CASES = 30_000
const BATCH = 500

const prototype = Reflect.ownKeys(Object.prototype)
afterEach(() => {
  expect(Reflect.ownKeys(Object.prototype)).toEqual(prototype)
})

/** What must not be: an error without a name of ours, a secret that is shown. */
class Findings {
  readonly refused: Record<string, number> = {}
  readonly wrong: string[] = []

  /** Runs a case that must end by itself or in a named error. */
  run(what: () => void): void {
    try {
      what()
    } catch (error) {
      this.refuse(error)
    }
  }

  /** Notes the error that a case ended in. */
  refuse(error: unknown): void {
    if (!(error instanceof PooledProducerError)) {
      this.wrong.push(`not ours: ${error instanceof Error ? error.stack : String(error)}`)
      return
    }
    this.refused[error.code] = (this.refused[error.code] ?? 0) + 1
    const cause = error.cause instanceof Error ? error.cause.message : ''
    const all = `${error.message}${cause}${JSON.stringify(error)}`
    if (all.includes(`:${SECRET}`) || all.includes(ARGUMENT)) this.wrong.push(`shown: ${error.message}`)
  }
}

const OPTION_OF_POOL = [
  ...['broker', 'name', 'connections', 'minChannels', 'maxChannels', 'acquireTimeoutMs', 'maxWaiting', 'maxInFlight'],
  ...['confirmTimeoutMs', 'publishTimeoutMs', 'failFastAfterMs', 'maxBufferedBytes', 'maxMessageBytes', 'tls'],
  ...['credentials', 'fastPath', 'logger', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'bogus'],
]
const brokerUrl = fc.oneof(
  text.map((part) => `amqp://user:${SECRET}@${part}`),
  text.map((part) => `amqp://user:${SECRET}@host/${part}`),
  text.map((part) => `amqp://user:${SECRET}${part}@host:5672/vhost?${part}`),
  text.map((part) => `${part}://user:${SECRET}@host`),
  fc.tuple(text, text).map(([a, b]) => `amqps://${a}:${SECRET}@${b}:99/%2f?frameMax=${a}&heartbeat=${b}`),
  fc.webUrl().map((url) => url.replace(/^https?:\/\//, `amqp://user:${SECRET}@`)),
)

test('of 25,000 URLs and 25,000 sets of options each is taken or refused by name, and no password is shown', () => {
  const findings = new Findings()
  const shown: string[] = []
  for (const url of fc.sample(brokerUrl, { numRuns: 25_000, seed: SEED })) {
    findings.run(() => {
      const address = parseBrokerUrl(url)
      shown.push(`${address.display}${JSON.stringify(address)}`)
    })
  }
  const hostile = fc.dictionary(fc.constantFrom(...OPTION_OF_POOL), fc.oneof(plausible, brokerUrl), { maxKeys: 4 })
  for (const given of fc.sample(hostile, { numRuns: 25_000, seed: SEED })) {
    findings.run(() => {
      const { logger: _, name: __, ...effective } = poolOptions(given as never)
      shown.push(JSON.stringify(effective))
    })
  }

  process.stdout.write(`${JSON.stringify({ taken: shown.length, refused: findings.refused })}\n`)
  expect(findings.wrong.slice(0, 5)).toEqual([])
  expect(Object.keys(findings.refused)).toEqual(['ERR_INVALID_OPTION'])
  expect(shown.filter((line) => line.includes(`:${SECRET}`)).slice(0, 5)).toEqual([])
  expect(shown.length).toBeGreaterThan(5_000)
}, 120_000)

test('1,000 brokers that send broken frames end in named errors or confirms, and show no password', async () => {
  const script = startScript("await import('../faults/support/hostile-frames.ts')", {
    SEED: `${SEED}`,
    CASES: '1000',
    PASSWORD: SECRET,
  })
  afterTest(() => script.process.kill('SIGKILL'))
  let shown = ''
  script.process.stderr?.on('data', (bytes) => {
    shown += bytes
  })
  const report = await script.nextLine()
  process.stdout.write(`${report}\n`)

  expect(JSON.parse(report)).toMatchObject({ cases: 1_000, unsettled: 0, wrong: [], uncaught: [] })
  expect(await script.ended).toEqual({ code: 0, signal: null })
  expect(shown + report).not.toContain(SECRET)
}, 180_000)

/** What is sent, and what Python must see of it. */
interface Case {
  readonly id: string
  readonly given: unknown
  send(): Promise<unknown>
  isEqual(seen: ReadBack): boolean
}

function taskCase(app: Celery, queue: string, given: HostileTask, id: string): Case {
  const { name, args, kwargs, options } = given
  return {
    id,
    given,
    send: () => app.sendTask(name, args, kwargs, { ...options, queue, messageId: id } as never),
    isEqual({ json, headers }) {
      const [seenArgs, seenKwargs] = (json ?? []) as unknown[]
      const own = Object.entries(options.headers ?? {}).filter(([, item]) => item !== undefined)
      return (
        entry(headers, 'task') === name &&
        isDeepStrictEqual([seenArgs, seenKwargs], [args, kwargs].map(asPython)) &&
        own.every(([key, item]) => isDeepStrictEqual(entry(headers, key), asPython(item)))
      )
    },
  }
}

function messageCase(pool: ProducerPool, queue: string, given: HostileMessage, id: string): Case {
  const { body, properties } = given
  const message = { routingKey: queue, body, properties: { ...properties, messageId: id }, mandatory: true }
  return {
    id,
    given,
    send: () => pool.publish(message as never),
    isEqual(seen) {
      return (
        isDeepStrictEqual(seen.headers, asTable(properties.headers ?? {})) &&
        entry(seen.properties, 'correlation_id') === properties.correlationId &&
        Buffer.from(seen.body, 'base64').equals(Buffer.from(body as never))
      )
    },
  }
}

celeryTest(
  'of 30,000 tasks and 30,000 messages each is refused by name, or is in Python what it was here',
  async () => {
    const logger = new RecordedLog()
    const app = makeApp({ broker: broker.url, logger, maxChannels: 2 })
    const queue = await queues.declare()
    await app.pool.ready()
    const findings = new Findings()
    const sent: Case[] = []
    const run = async (item: Case): Promise<void> => {
      try {
        await item.send()
        sent.push(item)
      } catch (error) {
        findings.refuse(error)
      }
    }
    const reading = readBack(broker.url, queue)

    for (let from = 0; from < CASES; from += BATCH) {
      const settings = { numRuns: BATCH, seed: SEED + from }
      const cases = [
        ...fc.sample(hostileTask, settings).map((task, index) => taskCase(app, queue, task, `task ${from + index}`)),
        ...fc
          .sample(hostileMessage, settings)
          .map((message, index) => messageCase(app.pool, queue, message, `message ${from + index}`)),
      ]
      // A reader that fails ends the test at once.
      await Promise.race([Promise.all(cases.map(run)), reading])
    }
    await app.pool.publish({ routingKey: queue, body: '', properties: { type: 'end' }, mandatory: true })
    const read = await reading

    const unequal = sent.filter(({ id, isEqual }) => {
      const seen = read.get(id)
      return seen === undefined || !isEqual(seen)
    })
    process.stdout.write(
      `${JSON.stringify({ sent: sent.length, refused: findings.refused, unequal: unequal.length })}\n`,
    )
    expect(unequal.slice(0, 5).map(({ id, given }) => [given, read.get(id)])).toEqual([])
    expect(findings.wrong.slice(0, 5)).toEqual([])
    expect(Object.keys(findings.refused).sort()).toEqual(['ERR_INVALID_OPTION', 'ERR_INVALID_TASK'])
    expect(read.size).toBe(sent.length)
    expect(app.pool.stats()).toMatchObject({ inFlight: 0, waiting: 0, bufferedBytes: 0 })
    // None was closed over a message.
    expect(logger.of('channel.close').filter(({ reason }) => reason !== 'idle')).toEqual([])
    expect(sent.length).toBeGreaterThan(CASES)
    const { password } = new URL(broker.url)
    const log = logger.records.map((record) => JSON.stringify(record))
    expect(log.filter((line) => line.includes(`:${password}@`) || line.includes(ARGUMENT)).slice(0, 5)).toEqual([])
  },
  300_000,
)
