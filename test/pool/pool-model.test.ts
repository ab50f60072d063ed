import { expect } from '@jest/globals'
import fc from 'fast-check'
import type { Message } from '../../lib/amqp/message.ts'
import type { PooledProducerError } from '../../lib/errors.ts'
import type { Producer } from '../../lib/pool/producer.ts'
import { createProducerPool, type ProducerPool } from '../../lib/pool/producer-pool.ts'
import { startFaultProxy } from '../../lib/testing/index.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { commandsOf, place } from '../support/model-command.ts'
import { readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

const MAX_CHANNELS = 2
const SOON_MS = 15
const TIME_LIMIT_MS = 120_000

/** A lease in a caller's hands. One whose channel was cut off no longer takes a place in the pool. */
interface Lease {
  readonly producer: Producer
  isAlive: boolean
  isReleased: boolean
}

/** A call that waits: an acquire with nobody to give it a channel. */
interface Waiting {
  readonly acquired: Promise<Producer>
  readonly abort: AbortController
}

/** What a pool must be like. */
interface Model {
  readonly leases: Lease[]
  /** In the order of asking. */
  waiting: Waiting[]
  confirmed: number
  failed: number
  isClosed: boolean
}

interface Real {
  readonly pool: ProducerPool
  readonly foreign: Producer
  readonly queue: string
  cut(): void
}

const command = commandsOf<Model, Real>(compare)

const held = ({ leases }: Model) => leases.filter(({ isReleased }) => !isReleased)
const places = (model: Model) => MAX_CHANNELS - held(model).filter(({ isAlive }) => isAlive).length
const isOpen = ({ isClosed }: Model) => !isClosed
const hasPlace = (model: Model) => isOpen(model) && places(model) > 0
const isFull = (model: Model) => isOpen(model) && places(model) === 0
const hasLease = (model: Model) => held(model).length > 0
const hasWaiting = (model: Model) => isOpen(model) && model.waiting.length > 0

async function compare(model: Model, { pool }: Real): Promise<void> {
  await serve(model)
  const { publishes, confirms, failures, waiting, inFlight, bufferedBytes, leased } = pool.stats()

  expect({ publishes, confirms, failures, waiting, inFlight, bufferedBytes, leased }).toEqual({
    ...{ publishes: model.confirmed + model.failed, confirms: model.confirmed, failures: model.failed },
    ...{ waiting: model.waiting.length, inFlight: 0, bufferedBytes: 0 },
    leased: model.isClosed ? 0 : MAX_CHANNELS - places(model),
  })
  const channels = held(model).filter(({ isAlive }) => isAlive)
  expect(new Set(channels.map(({ producer }) => producer.channelId)).size).toBe(channels.length)
}

/** Whoever waits gets a place as soon as there is one, and no sooner than those who asked before. */
async function serve(model: Model): Promise<void> {
  while (hasPlace(model) && model.waiting.length > 0) {
    const [first, ...others] = model.waiting as [Waiting, ...Waiting[]]
    model.waiting = others
    model.leases.push({ producer: await first.acquired, isAlive: true, isReleased: false })
  }
}

function leaseAt(model: Model, at: number): Lease {
  const leases = held(model)
  return leases[Math.floor(at * leases.length)] as Lease
}

async function expectFailure(failing: Promise<unknown>, code: PooledProducerError['code']): Promise<void> {
  expect(await failureOf(failing)).toMatchObject({ code })
}

/** Publishes, to a queue or to none, with the pool or with a lease of it. */
async function publish(model: Model, to: ProducerPool | Producer, message: Message): Promise<void> {
  await to.publish(message)
  model.confirmed++
}

const commands: fc.Arbitrary<fc.AsyncCommand<Model, Real>>[] = [
  fc.constant(
    command('acquire', hasPlace, async (model, { pool }) => {
      model.leases.push({ producer: await pool.acquire(), isAlive: true, isReleased: false })
    }),
  ),
  fc.constant(
    command('acquire, and wait', isFull, async (model, { pool }) => {
      const abort = new AbortController()
      model.waiting.push({ acquired: pool.acquire({ signal: abort.signal, timeoutMs: TIME_LIMIT_MS }), abort })
    }),
  ),
  fc.constant(
    command('acquire until its time is over', isFull, async (_, { pool }) => {
      await expectFailure(pool.acquire({ timeoutMs: SOON_MS }), 'ERR_ACQUIRE_TIMEOUT')
    }),
  ),
  fc.constant(
    command('acquire without waiting', isFull, async (_, { pool }) => {
      await expectFailure(pool.acquire({ block: false }), 'ERR_POOL_EXHAUSTED')
    }),
  ),
  place.map((at) => {
    return command(`abort(${at})`, hasWaiting, async (model) => {
      const index = Math.floor(at * model.waiting.length)
      const [waiting] = model.waiting.splice(index, 1) as [Waiting]
      waiting.abort.abort()
      await expectFailure(waiting.acquired, 'ERR_ABORTED')
    })
  }),
  place.map((at) => {
    return command(`release(${at})`, hasLease, async (model, { pool }) => {
      const lease = leaseAt(model, at)
      pool.release(lease.producer)
      lease.isReleased = true
    })
  }),
  place.map((at) => {
    return command(
      `release again(${at})`,
      ({ leases }) => leases.some(({ isReleased }) => isReleased),
      async (model, { pool }) => {
        const released = model.leases.filter(({ isReleased }) => isReleased)
        const { producer } = released[Math.floor(at * released.length)] as Lease
        expect(() => pool.release(producer)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
        await expectFailure(producer.publish({ routingKey: '', body: 'x' }), 'ERR_PRODUCER_RELEASED')
        model.failed++
      },
    )
  }),
  fc.constant(
    command(
      'release what is leased from another pool',
      () => true,
      async (_, { pool, foreign }) => {
        expect(() => pool.release(foreign)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
      },
    ),
  ),
  place.map((at) => {
    const isPossible = (model: Model) => isOpen(model) && held(model).some(({ isAlive }) => isAlive)
    return command(`publish with a lease(${at})`, isPossible, async (model, { queue }) => {
      const leases = held(model).filter(({ isAlive }) => isAlive)
      const { producer } = leases[Math.floor(at * leases.length)] as Lease
      await publish(model, producer, { routingKey: queue, body: 'x', mandatory: true })
    })
  }),
  fc.constant(
    command('publish', hasPlace, async (model, { pool, queue }) => {
      await publish(model, pool, { routingKey: queue, body: 'x', mandatory: true })
    }),
  ),
  fc.constant(
    command('publish until its time is over', isFull, async (model, { pool, queue }) => {
      const publishing = pool.publish({ routingKey: queue, body: 'x' }, { timeoutMs: SOON_MS })
      expect(await failureOf(publishing)).toMatchObject({ code: 'ERR_PUBLISH_TIMEOUT', outcome: 'not-sent' })
      model.failed++
    }),
  ),
  fc.constant(
    command('publish, and abort', isFull, async (model, { pool, queue }) => {
      const abort = new AbortController()
      const publishing = pool.publish({ routingKey: queue, body: 'x' }, { signal: abort.signal })
      abort.abort()
      expect(await failureOf(publishing)).toMatchObject({ code: 'ERR_ABORTED', outcome: 'not-sent' })
      model.failed++
    }),
  ),
  fc.constant(
    command('publish what no queue takes', hasPlace, async (model, { pool }) => {
      const publishing = pool.publish({ routingKey: 'no-such-queue', body: 'x', mandatory: true })
      expect(await failureOf(publishing)).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'refused' })
      model.failed++
    }),
  ),
  fc.constant(
    command('publish what makes the broker close the channel', hasPlace, async (model, { pool }) => {
      const publishing = pool.publish({ exchange: 'no-such-exchange', routingKey: '', body: 'x' })
      expect(await failureOf(publishing)).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused' })
      model.failed++
    }),
  ),
  fc.constant(
    command('cut', isOpen, async (model, { pool, cut }) => {
      const { channelsOpened } = pool.stats()
      cut()
      await until(() => pool.stats().channels > 0 && pool.stats().channelsOpened > channelsOpened)
      for (const lease of held(model)) lease.isAlive = false
    }),
  ),
  fc.constant(
    command('close', isOpen, async (model, { pool }) => {
      const closing = pool.close()
      for (const { acquired } of model.waiting) await expectFailure(acquired, 'ERR_POOL_CLOSED')
      model.waiting = []
      expect(await closing).toEqual({ confirmed: 0, unknown: [], notSent: [] })
      model.isClosed = true
    }),
  ),
  fc.constant(
    command(
      'acquire and publish after close',
      ({ isClosed }) => isClosed,
      async (model, { pool, queue }) => {
        await expectFailure(pool.acquire(), 'ERR_POOL_CLOSED')
        await expectFailure(pool.publish({ routingKey: queue, body: 'x' }), 'ERR_POOL_CLOSED')
        model.failed++
      },
    ),
  ),
]

rabbitmqTest(
  'whatever is asked of a pool, in whatever order, it does as the model does, and loses nothing',
  async () => {
    const foreign = await (await readyPool({ broker: broker.url })).acquire()
    const property = fc.asyncProperty(fc.commands(commands, { maxCommands: 30 }), async (run) => {
      const proxy = await startFaultProxy({ target: broker.url })
      const queue = await queues.declare({ durable: false })
      const pool = createProducerPool({ broker: proxy.url, maxChannels: MAX_CHANNELS, logger: false })
      const model: Model = { leases: [], waiting: [], confirmed: 0, failed: 0, isClosed: false }
      try {
        await pool.ready()
        await fc.asyncModelRun(() => ({ model, real: { pool, foreign, queue, cut: () => proxy.reset() } }), run)
        expect(await queues.depth(queue)).toBe(model.confirmed)
      } finally {
        await pool.close({ timeoutMs: 1 })
        await proxy.stop()
      }
    })
    await fc.assert(property, { numRuns: 40 })
  },
  TIME_LIMIT_MS,
)
