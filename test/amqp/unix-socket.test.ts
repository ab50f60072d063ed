import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { startFaultProxy } from '../../lib/testing/fault-proxy.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makeApp, makePool } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** The broker behind a socket of this host: RabbitMQ listens on none itself. */
async function socketBefore(url: string) {
  const folder = await mkdtemp(join(tmpdir(), 'pooled-producer-socket-'))
  const proxy = await startFaultProxy({ target: url, path: join(folder, 'broker.sock') })
  afterTest(async () => {
    await proxy.stop()
    await rm(folder, { recursive: true })
  })
  const { username, password, pathname } = new URL(url)
  const vhost = pathname.length > 1 ? pathname.slice(1) : '%2F'
  return { proxy, url: `amqp+unix://${username}:${password}@localhost${proxy.url}?vhost=${vhost}` }
}

test('tasks go through a Unix domain socket, and again after it was cut', async () => {
  const { proxy, url } = await socketBefore(broker.url)
  const app = makeApp({ broker: url })
  const queue = queues.name()
  const add = app.createTask('tasks.add', { queue })

  const first = await add.delay(1)
  proxy.reset()
  await until(() => app.pool.stats().connections === 0 || proxy.connections > 1)
  const second = await add.delay(2)

  expect(proxy.connections).toBeGreaterThan(1)
  const stored = (await queues.take(queue, 2)).map(({ properties }) => properties.headers?.id)
  expect(stored).toEqual([first.taskId, second.taskId])
})

test('a socket that is not there is a broker that is away, named without its password', async () => {
  const logger = new RecordedLog()
  const pool = makePool({ broker: 'amqp+unix://user:secret@localhost/no/such.sock', acquireTimeoutMs: 50, logger })
  await until(() => logger.of('connection.retry').length > 0)

  const error = await pool.acquire().catch((fault) => fault)

  expect(error).toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
  expect(error.cause.message).toContain('amqp+unix://user@/no/such.sock')
  expect(`${error.message} ${error.cause.message}`).not.toContain('secret')
})
