// Very many publishes with one deadline while the broker is away; tells how long their end held the event loop. Run
// by many-deadlines.test.ts.
import { pino } from 'pino'
import { createCelery, type PooledProducerError } from '../../lib/index.ts'

const TASKS = 50_000
const TICK_MS = 2

const logger = pino(pino.destination('/dev/null'))
const app = createCelery({ broker: 'amqp://127.0.0.1:1', logger })
const task = app.createTask('tasks.add', { timeoutMs: 2_000 })
const codes = new Map<string, number>()
const sending = Array.from({ length: TASKS }, (_, n) => {
  return task.delay(n, n).catch(({ code }: PooledProducerError) => codes.set(code, (codes.get(code) ?? 0) + 1))
})

// How long the loop was held is the processor time between two ticks: another process may hold the processor too.
let longestHeldMs = 0
let tickedAt = performance.now()
let usedAt = process.cpuUsage()
const tick = () => {
  const now = performance.now()
  const { user, system } = process.cpuUsage(usedAt)
  longestHeldMs = Math.max(longestHeldMs, Math.min(now - tickedAt, (user + system) / 1_000))
  tickedAt = now
  usedAt = process.cpuUsage()
}
const ticking = setInterval(tick, TICK_MS)
await Promise.all(sending)
tick()
clearInterval(ticking)
await app.close({ timeoutMs: 50 })
console.log(JSON.stringify({ longestHeldMs, codes: Object.fromEntries(codes), stats: app.pool.stats() }))
