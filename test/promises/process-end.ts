// Opens a pool, brings it into one state, closes it, and has nothing else to do: the process must end by itself.
// Run by process-end.test.ts, which sets the proxy when this writes a line, and then answers by a signal.
import { once } from 'node:events'
import { createCelery, createProducerPool } from '../../lib/index.ts'
import { until } from '../support/condition.ts'

const broker = process.env.BROKER as string
const good = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
const silent = { logger: false } as const

/** What the pool is doing when it is closed. */
const STATES: Record<string, () => Promise<unknown>> = {
  async idle() {
    const pool = createProducerPool({ broker, ...silent, minChannels: 3, maxChannels: 5, idleTimeoutMs: 60_000 })
    const leases = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()))
    for (const lease of leases) lease.release()
    return pool.close()
  },
  async busy() {
    const pool = createProducerPool({ broker, ...silent, maxInFlight: 10 })
    for (let n = 0; n < 1_000; n++) void pool.publish(good)
    return pool.close()
  },
  async leased() {
    const pool = createProducerPool({ broker, ...silent, leaseWarnMs: 60_000 })
    await Promise.all([pool.acquire(), pool.acquire()])
    void pool.acquire({ timeoutMs: 60_000 })
    return pool.close()
  },
  async connecting() {
    const pool = createProducerPool({ broker: 'amqp://127.0.0.1:1', ...silent })
    void pool.acquire({ timeoutMs: 60_000 })
    void pool.publish(good)
    await until(() => pool.state === 'connecting')
    return pool.close({ timeoutMs: 100 })
  },
  async unused() {
    return createProducerPool({ broker, ...silent }).close()
  },
  async app() {
    const app = createCelery({ broker, ...silent, taskDefaultQueue: process.env.QUEUE as string })
    void app.sendTask('tasks.add', [1, 2])
    return app.close()
  },
  /** In the middle of the handshake. */
  async 'silent broker'() {
    const pool = createProducerPool({ broker, ...silent })
    void pool.publish(good)
    return pool.close({ timeoutMs: 200 })
  },
  async 'black hole'() {
    const pool = createProducerPool({ broker, ...silent, minChannels: 2 })
    await pool.publish(good)
    const answer = once(process, 'SIGUSR2')
    console.log('ready')
    await answer
    for (let n = 0; n < 5; n++) void pool.publish(good)
    return pool.close({ timeoutMs: 500 })
  },
}

await STATES[process.env.STATE as string]?.()
console.log(Date.now())
process.on('exit', () => console.log(Date.now()))
