import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { writeDebugLog } from './harness/debug-log.js'
import { BenchResult } from './harness/result.js'
import { median, ratioOfMedians } from './harness/statistics.js'
import { progress, ratioText, round } from './harness/terminal.js'

export const question = 'How long does `pooled-producer report` take for a million lines, and how much memory?'

const COUNTS = [100_000, 1_000_000]
const FULL = { rounds: 5 }
const QUICK = { rounds: 1 }
const [COMMAND, PEAK_MEMORY] = ['../dist/cli/main.js', './harness/peak-memory.js'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

/** @param {object} options `rounds` narrows the run. */
export async function measure({ quick, options }) {
  const { rounds } = { ...(quick ? QUICK : FULL), ...options }
  const result = new BenchResult('report')
  const folder = await mkdtemp(join(tmpdir(), 'pooled-producer-bench-'))
  try {
    const logs = COUNTS.map((count) => ({ count, path: join(folder, `${count}.log`), runs: [] }))
    for (const { count, path } of logs) {
      progress.step(`writing a log of ${count.toLocaleString('en')} lines`)
      await writeDebugLog(path, count)
    }
    for (let number = 1; number <= rounds; number++) {
      for (const { count, path, runs } of logs) {
        progress.step(`round ${number} of ${rounds}: ${count.toLocaleString('en')} lines`)
        runs.push(await readReport(path))
      }
    }
    for (const log of logs) log.bytes = (await stat(log.path)).size
    show(result, logs)
  } finally {
    await rm(folder, { recursive: true })
  }
  return result
}

/** Runs the command on a log, in a process of its own: its time from start to end, and its peak of resident memory. */
async function readReport(path) {
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--import', PEAK_MEMORY, COMMAND, 'report', path], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  const [peakKib, [code]] = await Promise.all([text(child.stdio[3]), once(child, 'close')])
  if (code !== 0) throw new Error(`the report ended with exit code ${code}`)
  return { seconds: (performance.now() - startedAt) / 1_000, peakMiB: Number(peakKib) / 1_024 }
}

function show(result, logs) {
  const of = ({ runs }, field) => runs.map((run) => run[field])
  const [small, large] = logs
  const memory = ratioOfMedians(of(large, 'peakMiB'), of(small, 'peakMiB'))
  const rows = logs.map((log) => {
    const [seconds, peakMiB] = [median(of(log, 'seconds')), median(of(log, 'peakMiB'))]
    const spread = [Math.min(...of(log, 'seconds')), Math.max(...of(log, 'seconds'))]
    result.addCase({ lines: log.count, bytes: log.bytes, seconds, spread, peakMiB })
    return {
      lines: log.count.toLocaleString('en'),
      'MiB of log': round(log.bytes / 2 ** 20),
      seconds: `${round(seconds)} (${spread.map(round).join('-')})`,
      'lines/s': round(log.count / seconds),
      'peak MiB': round(peakMiB),
      'peak to the first': log === small ? '-' : ratioText(memory),
      ours: true,
    }
  })
  result.addTable('`pooled-producer report` on a log at level debug', Object.keys(rows[0]).slice(0, -1), rows)
  result.addBar('seconds for 1,000,000 lines', 'at most', 5, median(of(large, 'seconds')))
  // After 100,000 lines V8's young generation has not grown to its size yet; what is kept is held by a test.
  const growth = median(of(large, 'peakMiB')) - median(of(small, 'peakMiB'))
  result.addBar('MiB of resident memory more for 1,000,000 lines than for 100,000', 'at most', 25, growth)
}
