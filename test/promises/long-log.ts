// Reads a long log into a report; tells what that holds after a tenth of the log and at its end. Run by long-log.test.ts.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import { EventLog } from '../../lib/observe/log.ts'
import { ReuseReport } from '../../lib/observe/reuse-report.ts'
import type { Logger } from '../../lib/options.ts'

const LINES = Number(process.env.LINES)
const PUBLISHES_PER_CHANNEL = 100
const PUBLISHES_PER_PROCESS = 1_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const report = new ReuseReport()
const heapMiB: number[] = []
let [lines, timeMs] = [0, Date.UTC(2026)]
const timestamp = () => `,"time":${timeMs}`
const onLine = { write: (line: string) => void count(line) }

function count(line: string): void {
  report.add(line)
  lines += 1
  if (lines !== LINES / 10 && lines !== LINES) return
  collectGarbage()
  heapMiB.push(process.memoryUsage().heapUsed / 2 ** 20)
}

// Processes and channels come and go, and no two latencies are alike: there is much that could be kept.
let log: EventLog | undefined
for (let publish = 0; lines < LINES; publish += 1) {
  timeMs += 7
  if (publish % PUBLISHES_PER_PROCESS === 0) {
    const base = { pid: 1_000 + publish / PUBLISHES_PER_PROCESS, hostname: 'api-1' }
    log = new EventLog(pino({ level: 'debug', base, timestamp }, onLine) as Logger, 'default')
  }
  const channel = Math.floor(publish / PUBLISHES_PER_CHANNEL)
  if (publish % PUBLISHES_PER_CHANNEL === 0) log?.write('channel.open', { channel, connection: 1, openMs: 2 })
  log?.write('channel.acquire', { channel, lease: publish, reused: true, waitMs: Math.random() })
  log?.write('channel.release', { channel, lease: publish, heldMs: Math.random(), publishes: 1 })
  const task = { taskId: `${publish}`, task: `tasks.task_${publish}`, routingKey: 'celery', bytes: 80 }
  log?.write('publish.confirm', { channel, ...task, confirmMs: Math.random() * 1_000, attempts: 1 })
}
console.log(JSON.stringify({ records: report.result().records, heapMiB }))
