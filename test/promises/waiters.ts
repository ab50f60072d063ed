// A hundred waiters while the connection is cut; tells when each was rejected, and how the event loop ran meanwhile.
// Run by connection-cut.test.ts, which cuts the connection once this has written "waiting".
import { createProducerPool, type PooledProducerError } from '../../lib/index.ts'
import { LoopWatch } from '../support/loop-watch.ts'

const WAITERS = 100
const FIRST_DEADLINE_MS = 600
const STEP_MS = 10
const TICK_MS = 5

interface Rejection {
  readonly code: string
  readonly message: string
  readonly cause: string
  readonly lateMs: number
}

const pool = createProducerPool({ broker: process.env.BROKER as string, maxChannels: 2, logger: false })
await pool.ready()
const leases = await Promise.all([pool.acquire(), pool.acquire()])

async function rejection(waiting: Promise<unknown>, startedAt: number, deadlineMs: number): Promise<Rejection> {
  const error: PooledProducerError = await waiting.then(
    () => Promise.reject(new Error('it was served')),
    (e) => e,
  )
  const lateMs = performance.now() - startedAt - deadlineMs
  return { code: error.code, message: error.message, cause: `${(error.cause as Error | undefined)?.message}`, lateMs }
}

const loop = new LoopWatch(TICK_MS)

// The time of what one turn of the event loop publishes runs from the turn's beginning.
const startedAt = performance.now()
const rejections: Promise<Rejection>[] = []
for (let n = 0; n < WAITERS; n++) {
  const timeoutMs = FIRST_DEADLINE_MS + n * STEP_MS
  rejections.push(rejection(pool.acquire({ timeoutMs }), startedAt, timeoutMs))
  const message = { exchange: 'amq.fanout', routingKey: '', body: 'x' }
  rejections.push(rejection(pool.publish(message, { timeoutMs }), startedAt, timeoutMs))
}
console.log('waiting')
const settled = await Promise.all(rejections)
const elapsedMs = performance.now() - startedAt
loop.stop()
for (const lease of leases) lease.release()
await pool.close({ timeoutMs: 100 })
const { longestHeldMs, longestGapMs, ticks } = loop
console.log(JSON.stringify({ settled, longestHeldMs, longestGapMs, expectedTicks: elapsedMs / TICK_MS, ticks }))
