import { afterAll, expect } from '@jest/globals'
import { type RabbitmqNode, startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest, rabbitmqTest, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const GOOD = { exchange: 'amq.fanout', routingKey: '', body: 'x' }

let node: RabbitmqNode | undefined
afterAll(() => node?.stop())

/** Takes so many leases, of which the last has to wait, and shows that every channel still serves. */
async function useAllChannels(pool: ReturnType<typeof makePool>, most: number): Promise<void> {
  const leases = []
  for (let lease = 0; lease < most; lease++) leases.push(await pool.acquire())
  const waiting = pool.acquire()
  await Promise.all(leases.map((lease) => lease.publish(GOOD)))
  expect(pool.stats()).toMatchObject({ channels: most, leased: most, waiting: 1 })
  leases[0]?.release()
  const last = await waiting
  await last.publish(GOOD)
  last.release()
  for (const lease of leases.slice(1)) lease.release()
}

rabbitmqTest('row 34: a pool keeps to the channels that were agreed on, and says so at connect', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: `${broker.url}?channelMax=3`, maxChannels: 8, logger })
  await pool.ready()
  expect(logger.of('pool.warning').map(({ reason }) => reason)).toEqual([
    'maxChannels is 8, but no more than 3 channels on each connection are agreed on with the broker (channel_max), and connections is 1: the pool keeps to 3',
  ])

  await useAllChannels(pool, 3)
  expect(logger.of('connection.close')).toEqual([])
})

rabbitmqNodeTest(
  "row 35: a user's limit of channels shrinks the pool, which says so, and nothing is lost",
  async () => {
    node ??= await startRabbitmqNode()
    await node.ctl('add_user', 'limited', 's3cret')
    await node.ctl('set_permissions', 'limited', '.*', '.*', '.*')
    await node.ctl('set_user_limits', 'limited', '{"max-channels":2}')
    const url = Object.assign(new URL(node.url), { username: 'limited', password: 's3cret' }).href
    const proxy = await makeProxy(url)
    const logger = new RecordedLog()
    const pool = makePool({ broker: proxy.url, maxChannels: 8, logger })
    await pool.ready()
    const publishing = Array.from({ length: 200 }, () => pool.publish(GOOD))
    // More than the user may have, all at once: RabbitMQ closes the whole connection over the third.
    const leases = Array.from({ length: 5 }, () => pool.use((lease) => lease.publish(GOOD)))
    await Promise.all([...publishing, ...leases])
    const held = await Promise.all([pool.acquire(), pool.acquire()])
    const third = pool.acquire()
    await until(() => logger.of('pool.warning').length > 0)
    for (const lease of held) lease.release()
    ;(await third).release()

    expect(logger.of('pool.warning').map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/the pool keeps to 2 instead of 8 .*maximum allowed user limit of \(2\)/),
    ])
    await useAllChannels(pool, 2)
    expect(pool.stats()).toMatchObject({ failures: 0, inFlight: 0 })
    expect(proxy.connections).toBe(2)
  },
)

rabbitmqNodeTest('row 36: a limit on connections is a refusal with a hint, and no storm of attempts', async () => {
  node ??= await startRabbitmqNode()
  await node.ctl('add_vhost', 'full')
  await node.ctl('set_permissions', '--vhost', 'full', 'guest', '.*', '.*', '.*')
  await node.ctl('set_vhost_limits', '--vhost', 'full', '{"max-connections":0}')
  const proxy = await makeProxy(Object.assign(new URL(node.url), { pathname: 'full' }).href)
  const pool = makePool({ broker: proxy.url })
  const errors = []
  for (let n = 0; n < 20; n++) errors.push(await failureOf(pool.publish(GOOD)))

  for (const error of errors) {
    expect(error).toMatchObject({ code: 'ERR_BROKER_REFUSED', retryable: false, outcome: 'not-sent' })
    expect(error.message).toMatch(/a limit on connections is reached$/)
  }
  expect(proxy.connections).toBe(1)
})

rabbitmqTest('row 30: a body over the frame size arrives whole, on both ways of writing', async () => {
  for (const fastPath of [true, false]) {
    const pool = makePool({ broker: `${broker.url}?frameMax=4096`, fastPath })
    const queue = await queues.declare()
    const body = Buffer.alloc(2 ** 20, 'abcdefg')
    await pool.publish({ routingKey: queue, body })

    const [message] = await queues.take(queue, 1)
    expect(message?.content.equals(body)).toBe(true)
  }
})
