import { afterAll, describe, expect } from '@jest/globals'
import { type RabbitmqNode, startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest, rabbitmqTest, uniqueName, useBroker } from '../support/broker.ts'
import { failureOf } from '../support/failure.ts'
import { makeApp, makePool, readyPool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

let node: RabbitmqNode | undefined
afterAll(() => node?.stop())

/** Publishes one bad message among good ones: the bad one's error, when all the good ones arrive. */
async function failureAmongGood(pool: ReturnType<typeof makePool>, queue: string, bad: object) {
  const good = (n: number) => pool.publish({ routingKey: queue, body: `${n}`, mandatory: true })
  const before = Array.from({ length: 20 }, (_, n) => good(n))
  const failing = failureOf(pool.publish({ routingKey: queue, body: 'bad', ...bad }))
  const after = Array.from({ length: 20 }, (_, n) => good(20 + n))
  const error = await failing
  await Promise.all([...before, ...after])
  return error
}

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  rabbitmqTest(
    'row 27: a missing exchange fails its own message, and the others arrive over a new channel',
    async () => {
      const pool = await readyPool({ broker: broker.url, fastPath })
      const queue = await queues.declare()
      const exchange = uniqueName('nope')
      const error = await failureAmongGood(pool, queue, { exchange })

      expect(error).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused', retryable: false })
      expect(error.message).toContain(`NOT_FOUND - no exchange '${exchange}'`)
      expect(new Set(await queues.bodies(queue)).size).toBe(40)
      expect(pool.stats()).toMatchObject({ failures: 1, confirms: 40, channelsClosed: 1, inFlight: 0 })
    },
  )

  rabbitmqTest('row 31: headers over 64 KiB are refused before a byte is sent', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const error = await failureAmongGood(pool, await queues.declare(), {
      properties: { headers: { long: 'x'.repeat(70_000) } },
    })

    expect(error).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent', retryable: false })
    expect(pool.stats()).toMatchObject({ channelsClosed: 0, confirms: 40 })
  })

  rabbitmqTest(
    'row 32: headers over the agreed frame are refused here: the broker would close the connection',
    async () => {
      const logger = new RecordedLog()
      const pool = await readyPool({ broker: `${broker.url}?frameMax=8192`, fastPath, logger })
      const error = await failureAmongGood(pool, await queues.declare(), {
        properties: { headers: { long: 'x'.repeat(20_000) } },
      })

      expect(error).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent', retryable: false })
      expect(logger.of('connection.close')).toEqual([])
      expect(pool.stats()).toMatchObject({ channelsClosed: 0, confirms: 40 })
    },
  )

  rabbitmqTest('row 33: a short string over 255 bytes is refused before a byte is sent, and is named', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const error = await failureAmongGood(pool, await queues.declare(), {
      properties: { correlationId: 'ä'.repeat(128) },
    })

    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', outcome: 'not-sent' })
    expect(error.message).toMatch(/^message\.properties\.correlationId must be a string of 255 bytes at most, got /)
    expect(pool.stats()).toMatchObject({ channelsClosed: 0, confirms: 40 })
  })

  rabbitmqTest('row 40: a message that no queue takes is an error of its own, and the channel is kept', async () => {
    const pool = await readyPool({ broker: broker.url, fastPath })
    const deleted = await queues.declare()
    await queues.delete(deleted)
    const error = await failureAmongGood(pool, await queues.declare(), { routingKey: deleted, mandatory: true })

    expect(error).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'refused' })
    expect(error.message).toContain('312 NO_ROUTE')
    expect(pool.stats()).toMatchObject({ returns: 1, channelsOpened: 1, channelsClosed: 0, confirms: 40 })
  })

  rabbitmqNodeTest(
    "row 29: a body over the broker's limit is an error of its own, or refused before it is sent",
    async () => {
      node ??= await startRabbitmqNode()
      const limit = 'persistent_term:put(max_message_size, 2048), application:set_env(rabbit, max_message_size, 2048).'
      await node.ctl('eval', limit)
      const bad = { exchange: 'amq.fanout', routingKey: '', body: 'x'.repeat(4_096) }
      const pool = await readyPool({ broker: node.url, fastPath })
      const good = Array.from({ length: 20 }, () => pool.publish({ ...bad, body: 'good' }))
      const error = await failureOf(pool.publish(bad))
      await Promise.all(good)
      expect(error).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused', retryable: false })
      expect(error.message).toMatch(/message size 4096/)

      const careful = await readyPool({ broker: node.url, fastPath, maxMessageBytes: 2_048 })
      expect(await failureOf(careful.publish(bad))).toMatchObject({
        code: 'ERR_MESSAGE_TOO_LARGE',
        outcome: 'not-sent',
        message: 'the body has 4096 bytes, and maxMessageBytes is 2048',
      })
      expect(careful.stats().channelsClosed).toBe(0)
    },
  )

  rabbitmqNodeTest('row 39: a publish without permission fails alone, and names the exchange', async () => {
    node ??= await startRabbitmqNode()
    const user = fastPath ? 'few' : 'fewer'
    await node.ctl('add_user', user, 's3cret')
    await node.ctl('set_permissions', user, '^ok', '^ok', '.*')
    await node.ctl('eval', `${declareExchange('ok')}, ${declareExchange('forbidden')}.`)
    const url = Object.assign(new URL(node.url), { username: user, password: 's3cret' }).href
    const pool = await readyPool({ broker: url, fastPath })
    const publish = (exchange: string) => pool.publish({ exchange, routingKey: '', body: 'x' })
    const good = Array.from({ length: 20 }, () => publish('ok'))
    const error = await failureOf(publish('forbidden'))
    await Promise.all([...good, publish('ok')])

    expect(error).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused', retryable: false })
    expect(error.message).toMatch(/ACCESS_REFUSED - .*exchange 'forbidden' in vhost/)
    expect(pool.stats()).toMatchObject({ failures: 1, confirms: 21 })
  })

  rabbitmqNodeTest(
    'row 39: a topic without permission fails its own message, not another of its exchange',
    async () => {
      node ??= await startRabbitmqNode()
      const user = fastPath ? 'topical' : 'topical too'
      await node.ctl('add_user', user, 's3cret')
      await node.ctl('set_permissions', user, '.*', '.*', '.*')
      await node.ctl('set_topic_permissions', user, 'amq.topic', '^good', '.*')
      const url = Object.assign(new URL(node.url), { username: user, password: 's3cret' }).href
      const pool = await readyPool({ broker: url, fastPath })
      const publish = (routingKey: string) => pool.publish({ exchange: 'amq.topic', routingKey, body: 'x' })
      const good = Array.from({ length: 20 }, () => publish('good'))
      const error = await failureOf(publish('bad'))
      await Promise.all([...good, publish('good')])

      expect(error).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused', retryable: false })
      expect(error.message).toMatch(/access to topic 'bad' in exchange 'amq.topic'/)
      expect(pool.stats()).toMatchObject({ failures: 1, confirms: 21 })
    },
  )
})

rabbitmqTest('row 28: a queue that exists with other arguments is used as it is, after one warning', async () => {
  const queue = await queues.declare({ durable: true, arguments: { 'x-max-length': 10 } })
  const logger = new RecordedLog()
  const app = makeApp({ broker: broker.url, logger })
  const task = app.createTask('tasks.add', { queue })
  await task.delay(1, 2)
  await task.delay(3, 4)

  const [warning, ...more] = logger.of('pool.warning')
  expect(warning?.reason).toMatch(
    new RegExp(`^queue ${queue} was not declared: .*406.*PRECONDITION_FAILED.*x-max-length`),
  )
  expect(more).toEqual([])
  expect(await queues.depth(queue)).toBe(2)
})

rabbitmqTest('row 37: a vhost that does not exist is a refusal that says so', async () => {
  const pool = makePool({ broker: Object.assign(new URL(broker.url), { pathname: uniqueName('no') }).href })
  const error = await failureOf(pool.publish({ routingKey: 'any', body: 'x' }))

  expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', outcome: 'not-sent', retryable: false })
  expect(error.message).toMatch(/the vhost does not exist/)
})

function declareExchange(name: string): string {
  const resource = `rabbit_misc:r(<<"/">>, exchange, <<"${name}">>)`
  return `rabbit_exchange:declare(${resource}, fanout, false, false, false, [], <<"tests">>)`
}
