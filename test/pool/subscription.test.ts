import { expect, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import type { Subscription, SubscriptionRequest } from '../../lib/pool/subscription.ts'
import { startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest, rabbitmqTest, useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy, NOWHERE, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

interface Heard {
  readonly subscription: Subscription
  readonly bodies: string[]
  /** How often the queue was declared. */
  declared(): number
}

/** Subscribes to a queue, and keeps what comes. */
function listen(pool: ProducerPool, queue: string, request: Partial<SubscriptionRequest> = {}): Heard {
  const bodies: string[] = []
  let declared = 0
  const subscription = pool.subscribe({
    name: 'test',
    async declare(channel) {
      declared++
      return (await channel.assertQueue(queue, { durable: true })).queue
    },
    received: (message: ConsumeMessage) => void bodies.push(message.content.toString()),
    ...request,
  })
  return { subscription, bodies, declared: () => declared }
}

function send(queue: string, body: string): void {
  queues.channel.sendToQueue(queue, Buffer.from(body))
}

test('a subscription declares its queue once and gets each message, on a connection of its own', async () => {
  const pool = await readyPool({ broker: broker.url })
  const queue = queues.name()
  const { subscription, bodies, declared } = listen(pool, queue)
  await subscription.ready({ timeoutMs: 30_000 })
  for (const body of ['1', '2', '3']) await pool.publish({ routingKey: queue, body, mandatory: true })
  await until(() => bodies.length === 3)

  expect(bodies).toEqual(['1', '2', '3'])
  expect(declared()).toBe(1)
  expect(subscription.isReady).toBe(true)
  expect(pool.stats()).toMatchObject({ connections: 2, channels: 1, leased: 0 })
})

test('without subscriptions there is no connection for them', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url })
  await pool.publish({ exchange: 'amq.fanout', routingKey: '', body: 'x' })

  expect(proxy.connections).toBe(1)
})

test('after a lost connection it is declared and consumed again, and misses nothing that the queue kept', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url })
  const queue = queues.name()
  const { subscription, bodies, declared } = listen(pool, queue)
  await subscription.ready({ timeoutMs: 30_000 })
  send(queue, 'before')
  await until(() => bodies.length === 1)
  proxy.reset()
  await until(() => !subscription.isReady)
  send(queue, 'while away')
  await subscription.ready({ timeoutMs: 30_000 })
  send(queue, 'after')
  await until(() => bodies.length >= 3)

  expect(bodies).toEqual(['before', 'while away', 'after'])
  expect(declared()).toBe(2)
})

test('with acks, what a lost connection swallowed comes again', async () => {
  const proxy = await makeProxy(broker.url)
  const pool = await readyPool({ broker: proxy.url })
  const queue = queues.name()
  const { subscription, bodies } = listen(pool, queue, { noAck: false })
  await subscription.ready({ timeoutMs: 30_000 })
  await proxy.set('black-hole-down')
  for (const body of ['1', '2', '3']) send(queue, body)
  // The broker has handed them to the socket.
  await until(async () => (await queues.depth(queue)) === 0)
  proxy.reset()
  await proxy.set('pass')
  await until(() => bodies.length === 3)

  expect(bodies).toEqual(['1', '2', '3'])
})

rabbitmqTest('a queue that somebody deletes is declared again', async () => {
  const pool = await readyPool({ broker: broker.url })
  const queue = queues.name()
  const { subscription, bodies, declared } = listen(pool, queue)
  await subscription.ready({ timeoutMs: 30_000 })
  await queues.delete(queue)
  await until(() => declared() === 2 && subscription.isReady)
  send(queue, 'x')
  await until(() => bodies.length === 1)
})

test('a queue that cannot be declared is tried again, with one line of log, until it can', async () => {
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: broker.url, logger })
  const queue = await queues.declare({ durable: false })
  const { subscription, declared } = listen(pool, queue)

  const error = await failureOf(subscription.ready({ timeoutMs: 500 }))
  expect(error).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', message: expect.stringContaining('PRECONDITION') })
  await until(() => declared() > 2)
  await queues.delete(queue)
  await subscription.ready({ timeoutMs: 30_000 })
  expect(logger.of('pool.warning')).toEqual([
    expect.objectContaining({ reason: 'the subscription test was interrupted', error: expect.anything() }),
  ])
})

test('a receiver that throws is logged, and gets the next message all the same', async () => {
  const logger = new RecordedLog()
  const pool = await readyPool({ broker: broker.url, logger })
  const queue = queues.name()
  let calls = 0
  const received = () => {
    calls++
    throw new Error('on purpose')
  }
  const { subscription } = listen(pool, queue, { received })
  await subscription.ready({ timeoutMs: 30_000 })
  for (const body of ['1', '2']) send(queue, body)
  await until(() => calls === 2)

  expect(subscription.isReady).toBe(true)
  expect(logger.of('pool.warning')).toHaveLength(2)
  expect(logger.of('pool.warning')[0]).toMatchObject({ error: { message: 'on purpose' } })
})

test('what is closed consumes no more, and the pool can be closed after it or in its place', async () => {
  const pool = await readyPool({ broker: broker.url })
  const [first, second] = [queues.name(), queues.name()]
  const closed = listen(pool, first)
  const left = listen(pool, second)
  await Promise.all([closed, left].map(({ subscription }) => subscription.ready({ timeoutMs: 30_000 })))
  await closed.subscription.close()
  await closed.subscription.close()

  expect((await queues.channel.checkQueue(first)).consumerCount).toBe(0)
  expect((await queues.channel.checkQueue(second)).consumerCount).toBe(1)
  await pool.close()
  expect((await queues.channel.checkQueue(second)).consumerCount).toBe(0)
  expect(await failureOf(left.subscription.ready({ timeoutMs: 100 }))).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  expect(() => listen(pool, first)).toThrow(expect.objectContaining({ code: 'ERR_POOL_CLOSED' }))
})

test('what is closed as it is being opened leaves no queue behind', async () => {
  const pool = await readyPool({ broker: broker.url })
  const queue = queues.name()
  await listen(pool, queues.name()).subscription.ready({ timeoutMs: 30_000 })
  const { subscription, declared } = listen(pool, queue, { dispose: (channel) => channel.deleteQueue(queue) })
  await subscription.close()

  expect(declared()).toBe(1)
  // Were it there, it could not be declared otherwise.
  await queues.declare({ durable: false }, queue)
})

test('without a broker, ready ends in time and says why', async () => {
  const pool = makePool({ broker: NOWHERE })
  const { subscription } = listen(pool, 'x')

  expect(await failureOf(subscription.ready({ timeoutMs: 100 }))).toMatchObject({
    code: 'ERR_BROKER_UNAVAILABLE',
    message: expect.stringMatching(/no subscription test in 100 ms: .*ECONNREFUSED/),
  })
})

rabbitmqNodeTest(
  'while the broker is out of memory and reads no publishes, what is subscribed still comes',
  async () => {
    const node = await startRabbitmqNode()
    afterTest(() => node.stop())
    const pool = await readyPool({ broker: node.url })
    const { subscription, bodies } = listen(pool, 'stored')
    await subscription.ready({ timeoutMs: 30_000 })
    await pool.publish({ routingKey: 'stored', body: '1', mandatory: true })
    await until(() => bodies.length === 1)
    await subscription.close()
    await pool.publish({ routingKey: 'stored', body: '2', mandatory: true })
    await node.ctl('set_vm_memory_high_watermark', '0.000001')
    const blocked = pool.publish({ routingKey: 'stored', body: '3', mandatory: true }, { timeoutMs: 30_000 })
    await until(() => pool.state === 'blocked')

    const again = listen(pool, 'stored')
    await again.subscription.ready({ timeoutMs: 30_000 })
    await until(() => again.bodies.includes('2'))
    await node.ctl('set_vm_memory_high_watermark', '0.4')
    await blocked
    await until(() => again.bodies.includes('3'))
  },
  60_000,
)
