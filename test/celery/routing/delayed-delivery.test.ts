import { describe, expect, test } from '@jest/globals'
import { delayKey } from '../../../lib/celery/routing/delayed-delivery.ts'
import { rabbitmqNodeTest, rabbitmqTest, uniqueName, useBroker } from '../../support/broker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const ZEROS = Array.from({ length: 28 }, () => '0').join('.')

/** When the next task comes, and its headers. */
async function arrivalOf(queue: string): Promise<{ at: number; eta: number; deaths: unknown }> {
  const [message] = await queues.take(queue, 1)
  const { eta, 'x-death': deaths } = message?.properties.headers ?? {}
  return { at: Date.now(), eta: Date.parse(eta), deaths }
}

describe('the routing key of a delay', () => {
  test('has the seconds in 28 bits, from the highest to the lowest, before the task’s own', () => {
    expect(delayKey(5, 'tk')).toBe(`${ZEROS.slice(0, -5)}1.0.1.tk`)
    expect(delayKey(2 ** 28 - 1, 'a.b')).toBe(`${ZEROS.replaceAll('0', '1')}.a.b`)
  })

  test('counts whole seconds, never one too many: the worker holds the rest', () => {
    expect(delayKey(5.9, 'tk')).toBe(delayKey(5, 'tk'))
    for (const seconds of [0.999, 0, -5]) expect(delayKey(seconds, 'tk')).toBeUndefined()
  })

  test('stays aligned beyond 8.5 years', () => {
    expect(delayKey(2 ** 28, 'tk')).toBe(delayKey(2 ** 28 - 1, 'tk'))
    expect(delayKey(2 ** 31, 'tk')).toBe(delayKey(2 ** 28 - 1, 'tk'))
  })

  test('that AMQP cannot hold is ERR_INVALID_TASK', () => {
    expect(delayKey(1, 'k'.repeat(199))).toHaveLength(255)
    expect(() => delayKey(1, 'k'.repeat(200))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(/199 bytes at most/) }),
    )
  })
})

describe('a task for a quorum queue', () => {
  rabbitmqTest(
    'with a countdown waits in the broker, and comes when it is due',
    async () => {
      const name = queues.name()
      const app = makeApp({ broker: broker.url, publishTimeoutMs: 60_000, taskQueues: [{ name, queueType: 'quorum' }] })
      // The delay is declared; from here on it is only waited for.
      await app.sendTask('t', [], {}, { queue: name, countdown: 1 })
      await arrivalOf(name)
      const counted = app.createTask('t', { queue: name, countdown: 2 })
      await counted.delay()
      const { at, eta, deaths } = await arrivalOf(name)

      // For how long it was held is told by where; a loaded machine may bring it later.
      expect(deaths).toEqual([expect.objectContaining({ queue: 'celery_delayed_1', reason: 'expired' })])
      expect(at - eta).toBeGreaterThan(-100)

      await app.sendTask('t', [], {}, { queue: name, eta: new Date(Date.now() + 1_600) })
      const dated = await arrivalOf(name)
      expect(dated.deaths).toEqual([expect.objectContaining({ queue: 'celery_delayed_0' })])
      // The worker holds it for the rest of the second.
      expect(dated.at - dated.eta).toBeGreaterThan(-1_000)
    },
    90_000,
  )

  rabbitmqTest(
    'behind a topic exchange comes with the routing key of the call, to its own queue only',
    async () => {
      const [name, longer, exchange] = [queues.name(), queues.name(), uniqueName('exchange')]
      afterTest(async () => {
        await queues.channel.deleteExchange(exchange)
      })
      const topic = { exchange, exchangeType: 'topic', queueType: 'quorum' } as const
      const app = makeApp({
        broker: broker.url,
        publishTimeoutMs: 60_000,
        taskQueues: [
          { name, routingKey: 'feed.#', ...topic },
          { name: longer, routingKey: 'web.#', ...topic },
        ],
      })
      await app.sendTask('t', [], {}, { queue: name, routingKey: 'feed.import', countdown: 1 })
      const [message] = await queues.take(name, 1)

      expect(message?.fields.routingKey).toMatch(/\.0\.0\.1\.feed\.import$/)
      await app.sendTask('t', [], {}, { queue: longer, countdown: 0.5 })
      expect(await queues.depth(longer)).toBe(1)
    },
    90_000,
  )

  rabbitmqTest(
    'is not taken for one of a queue whose name ends alike',
    async () => {
      const name = queues.name()
      const longer = await queues.declare({ durable: true, arguments: { 'x-queue-type': 'quorum' } }, `pre.${name}`)
      const queueType = 'quorum'
      const app = makeApp({
        broker: broker.url,
        publishTimeoutMs: 60_000,
        taskQueues: [
          { name, queueType },
          { name: longer, queueType },
        ],
      })
      await app.sendTask('t', [], {}, { queue: name, countdown: 1 })
      await app.sendTask('t', [], {}, { queue: longer, countdown: 1 })
      await queues.take(longer, 1)
      await queues.take(name, 1)

      expect(await queues.depth(name)).toBe(0)
      await queues.delete(longer)
    },
    90_000,
  )

  rabbitmqTest('goes there at once when it has no whole second to wait, or the delay is not wanted', async () => {
    const [name, other] = [queues.name(), queues.name()]
    const queueType = 'quorum'
    const app = makeApp({ broker: broker.url, taskQueues: [{ name, queueType }] })
    await app.sendTask('t', [], {}, { queue: name, countdown: 0.9 })
    await app.sendTask('t', [], {}, { queue: name, eta: new Date(Date.now() - 5_000) })
    await app.sendTask('t', [], {}, { queue: name })
    const without = makeApp({
      broker: broker.url,
      nativeDelayedDelivery: false,
      taskQueues: [{ name: other, queueType }],
    })
    await without.sendTask('t', [], {}, { queue: other, countdown: 60 })

    expect(await queues.depth(name)).toBe(3)
    expect(await queues.depth(other)).toBe(1)
  })
})

test('a task for a classic queue is held by its worker, as ever', async () => {
  const name = queues.name()
  const app = makeApp({ broker: broker.url })
  await app.sendTask('t', [], {}, { queue: name, countdown: 60 })

  expect(await queues.depth(name)).toBe(1)
})

rabbitmqNodeTest(
  'the topology is Celery’s, by name, argument and binding',
  async () => {
    const name = queues.name()
    const app = makeApp({ broker: broker.url, publishTimeoutMs: 60_000, taskQueues: [{ name, queueType: 'quorum' }] })
    await app.sendTask('t', [], {}, { queue: name, countdown: 1 })
    const list = async (...args: string[]) => {
      const rows = JSON.parse(await broker.ctl('-q', '--formatter', 'json', ...args)) as Record<string, unknown>[]
      return rows.filter((row) => Object.values(row).some((value) => `${value}`.startsWith('celery_delayed_')))
    }
    const exchanges = await list('list_exchanges', 'name', 'type', 'durable')
    const declared = await list('list_queues', 'name', 'durable', 'arguments')
    const bindings = await list('list_bindings', 'source_name', 'destination_name', 'destination_kind', 'routing_key')

    const levels = Array.from({ length: 28 }, (_, level) => ({ level, delay: `celery_delayed_${level}` }))
    expect(byName(exchanges)).toEqual(
      byName([...levels.map(({ delay }) => delay), 'celery_delayed_delivery'].map((delay) => exchangeRow(delay))),
    )
    expect(byName(declared.map((row) => ({ ...row, arguments: argumentsOf(row.arguments) })))).toEqual(
      byName(
        levels.map(({ level, delay }) => ({
          name: delay,
          durable: true,
          arguments: {
            'x-queue-type': 'quorum',
            'x-overflow': 'reject-publish',
            'x-message-ttl': 2 ** level * 1_000,
            'x-dead-letter-exchange': level === 0 ? 'celery_delayed_delivery' : `celery_delayed_${level - 1}`,
            'x-dead-letter-strategy': 'at-least-once',
          },
        })),
      ),
    )
    const between = bindings.filter(({ source_name, destination_name }) => {
      return source_name !== '' && `${destination_name}`.startsWith('celery_delayed_')
    })
    expect(between).toHaveLength(56)
    for (const { level, delay } of levels) {
      const next = level === 0 ? 'celery_delayed_delivery' : `celery_delayed_${level - 1}`
      const above = '*.'.repeat(27 - level)
      expect(between).toContainEqual(bindingRow(delay, delay, 'queue', `${above}1.#`))
      expect(between).toContainEqual(bindingRow(delay, next, 'exchange', `${above}0.#`))
    }
    expect(bindings).toContainEqual(bindingRow('celery_delayed_delivery', name, 'queue', `${'*.'.repeat(28)}${name}`))
  },
  90_000,
)

rabbitmqTest(
  'the delay that was deleted costs one error, which can be tried again',
  async () => {
    const name = queues.name()
    const app = makeApp({ broker: broker.url, publishTimeoutMs: 60_000, taskQueues: [{ name, queueType: 'quorum' }] })
    const task = app.createTask('t', { queue: name, countdown: 1 })
    await task.delay()
    await queues.channel.deleteExchange('celery_delayed_27')

    expect(await failureOf(task.delay())).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', retryable: true })
    await task.delay()
    await queues.take(name, 2)
  },
  90_000,
)

function byName<Row extends Record<string, unknown>>(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => (`${a.name}` < `${b.name}` ? -1 : 1))
}

function exchangeRow(name: string): Record<string, unknown> {
  return { name, type: 'topic', durable: true }
}

function bindingRow(source: string, destination: string, kind: string, key: string): Record<string, unknown> {
  return { source_name: source, destination_name: destination, destination_kind: kind, routing_key: key }
}

/** RabbitMQ lists arguments as triples of name, type and value. */
function argumentsOf(list: unknown): Record<string, unknown> {
  return Object.fromEntries((list as [string, string, unknown][]).map(([name, , value]) => [name, value]))
}
