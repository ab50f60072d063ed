// Very many publishes with one deadline while the broker is away; tells how long their end held the event loop. Run
// by many-deadlines.test.ts.
import { pino } from 'pino'
import { createCelery, type PooledProducerError } from '../../lib/index.ts'
import { LoopWatch } from '../support/loop-watch.ts'

const TASKS = 50_000
const TICK_MS = 2

const logger = pino(pino.destination('/dev/null'))
const app = createCelery({ broker: 'amqp://127.0.0.1:1', logger })
const task = app.createTask('tasks.add', { timeoutMs: 2_000 })
const codes = new Map<string, number>()
const sending = Array.from({ length: TASKS }, (_, n) => {
  return task.delay(n, n).catch(({ code }: PooledProducerError) => codes.set(code, (codes.get(code) ?? 0) + 1))
})

const loop = new LoopWatch(TICK_MS)
await Promise.all(sending)
loop.stop()
await app.close({ timeoutMs: 50 })
console.log(
  JSON.stringify({ longestHeldMs: loop.longestHeldMs, codes: Object.fromEntries(codes), stats: app.pool.stats() }),
)
