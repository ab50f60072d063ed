import { describe, expect, test } from '@jest/globals'
import { uniqueName, useBroker } from '../../support/broker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { until } from '../../support/condition.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp, makeProxy } from '../../support/pools.ts'
import { useQueues } from '../../support/queues.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** A name for an exchange, deleted after the test. */
function exchangeName(): string {
  const name = uniqueName('exchange')
  afterTest(async () => {
    await queues.channel.deleteExchange(name)
  })
  return name
}

describe('a described queue', () => {
  const large = { 'x-note': 'x'.repeat(40_000) }
  test.each([
    ['arguments', { arguments: { 'x-note': 'x'.repeat(65_536) } }],
    ['arguments', { arguments: large, queueArguments: { 'x-other': 'x'.repeat(40_000) } }],
    ['exchange.arguments', { exchange: { name: 'e', arguments: { ...large, 'x-other': 'x'.repeat(40_000) } } }],
    ['bindingArguments', { exchange: 'e', bindingArguments: { ...large, 'x-other': 'x'.repeat(40_000) } }],
  ])('whose %s no declaration can hold is refused', (field, options) => {
    const make = () => makeApp({ broker: broker.url, taskQueues: [{ name: 'q', ...options }] })
    expect(make).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_OPTION',
        message: expect.stringMatching(
          new RegExp(`^taskQueues\\[0\\]\\.${field} must have 65536 bytes at most, and has \\d+$`),
        ),
      }),
    )
  })

  test('behind a topic exchange is declared and bound, and gets the tasks that its binding matches', async () => {
    const [name, other, exchange] = [queues.name(), queues.name(), exchangeName()]
    const app = makeApp({
      broker: broker.url,
      taskQueues: [
        { name, exchange, exchangeType: 'topic', routingKey: 'feed.#' },
        {
          name: other,
          exchange,
          exchangeType: 'topic',
          routingKey: 'web.*',
          bindings: [{ routingKey: 'feed.export' }],
        },
      ],
      taskRoutes: { 'feed.*': { queue: name, routingKey: 'feed.import' } },
    })
    await app.sendTask('web.page', [], {}, { queue: other, routingKey: 'web.page' })
    await app.sendTask('feed.import')
    await app.sendTask('feed.export', [], {}, { routingKey: 'feed.export' })

    expect(await queues.depth(name)).toBe(2)
    expect(await queues.depth(other)).toBe(2)
  })

  test('behind a fanout exchange gets what any queue of it gets', async () => {
    const [name, other, exchange] = [queues.name(), queues.name(), exchangeName()]
    const fanout = { name: exchange, type: 'fanout', durable: false }
    const app = makeApp({
      broker: broker.url,
      taskQueues: [
        { name, exchange: fanout },
        { name: other, exchange: fanout },
      ],
    })
    await app.sendTask('t', [1], {}, { queue: name })
    await app.sendTask('t', [2], {}, { queue: other })

    expect(await queues.depth(name)).toBe(2)
    expect(await queues.depth(other)).toBe(1)
  })

  test('is declared with the arguments that Kombu sends', async () => {
    const name = queues.name()
    const described = { name, durable: false, messageTtl: 1.5, expires: 600, maxLength: 10, maxPriority: 5 }
    const app = makeApp({
      broker: broker.url,
      taskQueues: [{ ...described, arguments: { 'x-overflow': 'drop-head' } }],
    })
    await app.sendTask('t', [], {}, { queue: name })

    // Any other arguments would be refused for the queue that is there.
    const expected = { 'x-message-ttl': 1_500, 'x-expires': 600_000, 'x-max-length': 10, 'x-max-priority': 5 }
    await queues.declare({ durable: false, arguments: { ...expected, 'x-overflow': 'drop-head' } }, name)
  })

  test('may be given by a call; however often, it is declared once', async () => {
    const app = makeApp({ broker: broker.url })
    const [name, exchange] = [queues.name(), exchangeName()]
    const send = () => app.sendTask('t', [], {}, { queue: { name, exchange, exchangeType: 'topic' } })
    await send()
    await queues.channel.unbindQueue(name, exchange, name)

    await expect(send()).rejects.toMatchObject({ code: 'ERR_UNROUTABLE', retryable: true })
    await send()
    expect(await queues.depth(name)).toBe(2)
  })

  test('that somebody else declares is left alone', async () => {
    const name = queues.name()
    const app = makeApp({ broker: broker.url, taskQueues: [{ name, noDeclare: true }] })

    await expect(app.sendTask('t', [], {}, { queue: name })).rejects.toMatchObject({ code: 'ERR_UNROUTABLE' })
    await queues.declare({ durable: true }, name)
    await app.sendTask('t', [], {}, { queue: name })
    expect(await queues.depth(name)).toBe(1)
  })

  test('is bound to an exchange of the broker’s own without declaring that', async () => {
    const name = queues.name()
    const logger = new RecordedLog()
    const queue = { name, exchange: 'amq.topic', exchangeType: 'topic', routingKey: `${name}.#` }
    const app = makeApp({ broker: broker.url, logger, taskQueues: [queue] })
    await app.sendTask('t', [], {}, { queue: name, routingKey: `${name}.x` })

    expect(await queues.depth(name)).toBe(1)
    expect(logger.of('pool.warning')).toEqual([])
  })
})

describe('what was declared', () => {
  test('and is deleted, queue, binding or exchange, costs one error and is there again', async () => {
    const [name, exchange] = [queues.name(), exchangeName()]
    const app = makeApp({ broker: broker.url, taskQueues: [{ name, exchange, exchangeType: 'topic' }] })
    const task = app.createTask('t', { queue: name })
    await task.delay(1)

    await queues.delete(name)
    expect(await failureOf(task.delay(2))).toMatchObject({ code: 'ERR_UNROUTABLE', retryable: true })
    await task.delay(3)
    await queues.channel.deleteExchange(exchange)
    expect(await failureOf(task.delay(4))).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', retryable: true })
    await task.delay(5)

    expect(await queues.depth(name)).toBe(2)
  })

  test('is declared again after a reconnect, before the next task goes', async () => {
    const proxy = await makeProxy(broker.url)
    const [name, exchange] = [queues.name(), exchangeName()]
    const app = makeApp({ broker: proxy.url, taskQueues: [{ name, exchange, exchangeType: 'topic' }] })
    const task = app.createTask('t', { queue: name })
    await task.delay(1)
    await queues.delete(name)
    await queues.channel.deleteExchange(exchange)
    proxy.reset()
    await until(() => app.pool.stats().connections === 0)

    await task.delay(2)
    expect(await queues.depth(name)).toBe(1)
  })

  test('and exists otherwise is used as it is, after one warning for each, and the rest is declared', async () => {
    const logger = new RecordedLog()
    const exchange = exchangeName()
    const name = await queues.declare({ durable: false })
    await queues.channel.assertExchange(exchange, 'topic', { durable: false })
    const app = makeApp({ broker: broker.url, logger, taskQueues: [{ name, exchange, exchangeType: 'topic' }] })
    const task = app.createTask('t', { queue: name })
    await Promise.all([task.delay(1), task.delay(2)])
    await task.delay(3)
    await app.pool.use((producer) => task.applyAsync([4], {}, { producer }))

    expect(await queues.depth(name)).toBe(4)
    const reasons = logger.of('pool.warning').map(({ reason }) => reason)
    expect(reasons).toEqual([
      expect.stringMatching(`^exchange ${exchange} was not declared: .*PRECONDITION_FAILED`),
      expect.stringMatching(`^queue ${name} was not declared: .*PRECONDITION_FAILED`),
    ])
  })

  test('is declared on the channel of a lease too, even where the broker closes that', async () => {
    const exchange = exchangeName()
    const name = await queues.declare({ durable: false })
    const app = makeApp({ broker: broker.url, maxChannels: 1, taskQueues: [{ name, exchange, exchangeType: 'topic' }] })
    await app.pool.use((producer) => app.sendTask('t', [1], {}, { queue: name, producer }))

    expect(await queues.depth(name)).toBe(1)
  })
})
