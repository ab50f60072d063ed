import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect } from '@jest/globals'
import type { Message } from '../../lib/amqp/message.ts'
import type { Producer } from '../../lib/pool/producer.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import type { FaultProxy } from '../../lib/testing/fault-proxy.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { makePool, makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { type Random, sequence } from '../support/random.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const RUN_MS = 4_000
/** One of so many messages is one that the broker cannot take; of each kind. */
const RARITY = 150

describe.each([
  ['frames encoded ahead', true, 1],
  ["amqplib's public publish", false, 7],
])('with %s', (_, fastPath, seed) => {
  rabbitmqTest(
    'whatever befalls the connections, what is confirmed is stored, and only the guilty publishes fail',
    async () => {
      const proxy = await makeProxy(broker.url)
      const random = sequence(seed)
      // Everything that replaces channels is at work all the time.
      const pool = makePool({
        broker: [proxy.url, proxy.url],
        connections: 2,
        maxChannels: 5,
        maxInFlight: 40,
        fastPath,
        confirmTimeoutMs: 400,
        idleTimeoutMs: 100,
        maxChannelAgeMs: 300,
        publishTimeoutMs: 30_000,
        acquireTimeoutMs: 20_000,
      })
      const run = new Run(await queues.declare({ durable: false }), random)
      const end = performance.now() + RUN_MS
      await Promise.all([
        strike(proxy, random, end),
        publishWithoutLease(run, pool, random, end),
        publishWithLeases(run, pool, random, end),
      ])
      await proxy.set('pass')
      await run.settled()

      expect(run.faults).toEqual([])
      const { publishes, confirms, failures, retries, waiting, inFlight, bufferedBytes } = pool.stats()
      expect(publishes).toBe(confirms + failures)
      expect({ waiting, inFlight, bufferedBytes }).toEqual({ waiting: 0, inFlight: 0, bufferedBytes: 0 })
      expect(retries).toBeGreaterThan(0)
      const stored = new Set(await queues.bodies(run.queue))
      expect(run.confirmed.filter((id) => !stored.has(id))).toEqual([])
      expect(run.refused.filter((id) => stored.has(id))).toEqual([])
    },
    60_000,
  )
})

/** Messages with their outcomes, and what is wrong about those. */
class Run {
  readonly queue: string
  readonly confirmed: string[] = []
  readonly refused: string[] = []
  readonly faults: string[] = []
  readonly #random: Random
  readonly #open: Promise<void>[] = []

  constructor(queue: string, random: Random) {
    this.queue = queue
    this.#random = random
  }

  publish(to: Producer | ProducerPool): Promise<void> {
    const id = `${this.#open.length}`
    const guilty = this.#guiltyMessage(id)
    const outcome = to.publish(guilty ?? { routingKey: this.queue, body: id }).then(
      () => {
        this.confirmed.push(id)
        if (guilty !== undefined) this.faults.push(`${JSON.stringify(guilty)} was confirmed`)
      },
      (error) => {
        this.refused.push(id)
        if (guilty === undefined) this.faults.push(`an innocent message failed: ${error.code} ${error.message}`)
      },
    )
    this.#open.push(outcome)
    return outcome
  }

  async settled(): Promise<void> {
    await Promise.all(this.#open)
  }

  #guiltyMessage(body: string): Message | undefined {
    const kinds: Message[] = [
      { exchange: 'no-such-exchange', routingKey: '', body },
      { routingKey: this.queue, body, properties: { expiration: 'never' } },
      { routingKey: 'no-such-queue', body, mandatory: true },
    ]
    return kinds[this.#random(RARITY)]
  }
}

async function strike(proxy: FaultProxy, random: Random, end: number): Promise<void> {
  const strikes = [
    async () => proxy.reset(),
    async () => {
      await proxy.set('black-hole')
      await delay(random(800))
    },
    async () => {
      await proxy.set('refuse')
      proxy.reset()
      await delay(random(300))
    },
    async () => {
      await proxy.set('delay', { ms: random(50) })
      await delay(200)
    },
  ]
  while (performance.now() < end) {
    await delay(100 + random(400))
    await strikes[random(strikes.length)]?.()
    await proxy.set('pass')
  }
}

async function publishWithoutLease(run: Run, pool: ProducerPool, random: Random, end: number): Promise<void> {
  while (performance.now() < end) {
    for (let count = random(60); count > 0; count--) void run.publish(pool)
    await delay(random(20))
  }
}

async function publishWithLeases(run: Run, pool: ProducerPool, random: Random, end: number): Promise<void> {
  while (performance.now() < end) {
    await pool.use(async (producer) => {
      const publishes = Array.from({ length: random(100) }, () => run.publish(producer))
      // Some leases wait for their confirms, and some are given back with messages unwritten.
      if (random(2) === 0) await Promise.race([Promise.all(publishes), delay(50)])
    })
    await delay(random(30))
  }
}
