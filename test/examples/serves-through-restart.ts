import { expect } from '@jest/globals'
import { startRabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { uniqueName } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { drain } from '../support/drain.ts'
import { startExample } from './example-server.ts'
import { HttpLoad } from './http-load.ts'

const REQUESTS = 10_000
const LANES = 50
/** What a request gets that comes to a server that has ended, or on a connection that it has closed. */
const GONE: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET']
/** What the examples give a publish, and what a loaded machine adds. */
const DEADLINE_MS = 5_000 + 4_000

/**
 * Runs an example under load: the broker is restarted in the midst, and the server is told to end. Every request is
 * answered in time, every 202 has its task in the queue, and the end loses nothing.
 *
 * @param ending how its process ends: its exit code, or the signal.
 */
export async function servesThroughRestart(file: string, ending: number | string): Promise<void> {
  const node = await startRabbitmqNode()
  afterTest(() => node.stop())
  const queue = uniqueName('mail')
  const server = await startExample(file, { AMQP_URL: node.url, QUEUE: queue })
  const load = new HttpLoad(server.url, LANES)
  afterTest(() => load.close())
  await until(async () => (await load.post('/health')).status === 200)

  const over = load.run(LANES)
  await until(() => load.replies.length > REQUESTS / 10)
  await node.kill('SIGTERM')
  await until(() => load.replies.some(({ status }) => status === 503))
  expect((await load.post('/health')).status).toBe(503)
  await node.start()
  await until(async () => (await load.post('/health')).status === 200)

  const before = load.replies.length
  await until(() => load.replies.length > Math.max(before + LANES, REQUESTS))
  load.stop()
  const beforeEnd = load.replies.length
  const exit = await server.terminate()
  await over

  const accepted = load.replies.filter(({ status }) => status === 202)
  const refused = load.replies.filter(({ status }) => status === 503)
  // Only what came about the end may have found nobody there.
  const unexpected = load.replies.filter(({ status }, index) => {
    return ![202, 503].includes(status as number) && (index < beforeEnd || !GONE.includes(status))
  })
  expect(exit).toBe(ending)
  expect(unexpected).toEqual([])
  expect(refused.filter(({ retryAfter }) => !(Number(retryAfter) >= 1))).toEqual([])
  expect(Math.max(...load.replies.map(({ tookMs }) => tookMs))).toBeLessThan(DEADLINE_MS)
  const stored = new Set<string>()
  await drain(node.url, queue, ({ properties }) => stored.add(properties.headers?.id))
  expect(accepted.map(({ body }) => JSON.parse(body).taskId).filter((id) => !stored.has(id))).toEqual([])
}
