// Sends tasks without a pause, and writes the id of each as soon as it is confirmed. Ends by SIGTERM, when it writes
// what its close reports, with exit code 1 when the fate of a task is unknown; or by SIGKILL. Run by
// publishing-process.test.ts.
import { writeSync } from 'node:fs'
import { createCelery, type PooledProducerError } from '../../lib/index.ts'

const WINDOW = 300
const app = createCelery({
  broker: process.env.BROKER as string,
  logger: false,
  maxChannels: 1,
  maxInFlight: 50,
  publishTimeoutMs: 60_000,
})
const task = app.createTask('tasks.add', { queue: process.env.QUEUE as string })
const outcomes: Record<string, number> = {}
let attempts = 0
let settled = 0
let isPublishing = true

function send(): void {
  attempts++
  task.delay(attempts).then(
    ({ taskId }) => {
      // At once, whatever ends this process next.
      writeSync(1, `${taskId}\n`)
      next()
    },
    ({ code, outcome }: PooledProducerError) => {
      outcomes[`${code} ${outcome}`] = (outcomes[`${code} ${outcome}`] ?? 0) + 1
      next()
    },
  )
}

function next(): void {
  settled++
  if (isPublishing) send()
}

async function end(): Promise<void> {
  isPublishing = false
  const startedAt = performance.now()
  const report = await app.close({ timeoutMs: Number(process.env.CLOSE_MS) })
  const tookMs = performance.now() - startedAt
  writeSync(1, `${JSON.stringify({ report, tookMs, attempts, settled, outcomes })}\n`)
  process.exitCode = report === undefined || report.unknown.length > 0 ? 1 : 0
}

process.once('SIGTERM', () => void end())
for (let n = 0; n < WINDOW; n++) send()
