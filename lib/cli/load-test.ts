import { asError, type PooledProducerError } from '../errors.ts'
import { counted } from '../observe/figures.ts'
import { LOAD_MODES, type LoadMode, type LoadTarget } from './load-modes.ts'
import { progressText } from './load-progress.ts'
import type { LoadedBroker, LoadQueue } from './load-queue.ts'
import type { OpenWay } from './open-way.ts'
import type { ProgressLine } from './progress-line.ts'
import { type MeasuredCalls, TaskWindow } from './task-window.ts'

/** Longer than a pool's own limit for one publish: a call by hand has none, and a broker in alarm answers nothing. */
const STALL_MS = 15_000

/** How a load test is run. */
export interface LoadTestOptions extends Omit<LoadTarget, 'url' | 'queue'> {
  readonly modes: readonly LoadMode[]
  /** Tasks for each mode; infinite where the time is the limit. */
  readonly tasks: number
  readonly timeLimitMs: number
  readonly concurrency: number
  readonly progress: ProgressLine
  /** Once aborted, no call begins, and the test ends with what it has. */
  readonly signal: AbortSignal
  /** Runs one mode's calls while something else watches. */
  readonly watch?: (mode: LoadMode, calls: () => Promise<MeasuredCalls>) => Promise<MeasuredCalls>
}

/** What one mode did. */
export interface LoadRun {
  readonly mode: LoadMode
  /** Confirmed tasks. */
  readonly tasks: number
  readonly failed: number
  /** What the first call that failed was rejected with; null: none failed. */
  readonly failure: { readonly code: string | null; readonly message: string } | null
  readonly elapsedMs: number
  readonly tasksPerSecond: number
  /** From a call to its confirm. */
  readonly confirmMs: { readonly p50: number; readonly p99: number }
  readonly cpuMicrosPerTask: number
  readonly channelsOpened: number
  readonly connectionsOpened: number
  readonly publishesPerChannel: number
  /** The rate as a multiple of that of the first mode. */
  readonly speedup: number
}

/** What a load test prints with `--json`. */
export interface LoadResult {
  readonly broker: LoadedBroker
  readonly queue: string
  readonly task: string
  readonly concurrency: number
  readonly isInterrupted: boolean
  readonly runs: readonly LoadRun[]
}

/** Sends in each mode, one after the other. A mode ends with its first failed call; the next is run all the same. */
export async function runLoadTest(queue: LoadQueue, options: LoadTestOptions): Promise<LoadResult> {
  const { modes, task, concurrency, progress, signal } = options
  const runs: LoadRun[] = []
  for (const mode of modes) {
    if (signal.aborted) break
    const run = await runMode(mode, queue, options, runs[0])
    runs.push(run)
    progress.end(`${mode}: ${counted(run.tasks, 'task')} in ${(run.elapsedMs / 1_000).toFixed(1)} s`)
    // Where the broker has gone, the next mode says so.
    if (mode !== modes.at(-1)) await queue.purge().catch(() => {})
  }
  const { broker, name } = queue
  return { broker, queue: name, task, concurrency, isInterrupted: signal.aborted, runs }
}

async function runMode(
  mode: LoadMode,
  { url, name: queue }: LoadQueue,
  options: LoadTestOptions,
  first: LoadRun | undefined,
): Promise<LoadRun> {
  const { tasks, timeLimitMs, concurrency, signal, progress, watch } = options
  const window = new TaskWindow({ tasks, timeLimitMs, width: concurrency, signal, stallMs: STALL_MS })
  let way: OpenWay | undefined
  try {
    progress.begin(() => `${mode}: connecting`)
    way = await LOAD_MODES[mode]({ ...options, url, queue })
    const opened = way
    await way.ready?.()
    const startedAt = performance.now()
    progress.begin(() => {
      return progressText({ mode, done: window.done, elapsedMs: performance.now() - startedAt, tasks, timeLimitMs })
    })
    const calls = () => window.measure((index) => opened.send(index))
    const measured = watch === undefined ? await calls() : await watch(mode, calls)
    return runOf(mode, window.done, measured, way, first)
  } catch (failure) {
    // It never came to a call.
    const nothing = { elapsedMs: 0, cpuMicros: 0, callMs: { p50: 0, p99: 0 } }
    return runOf(mode, window.done, { ...nothing, failed: 1, failure }, way, first)
  } finally {
    await way?.close()
  }
}

function runOf(
  mode: LoadMode,
  tasks: number,
  { elapsedMs, cpuMicros, callMs, failed, failure }: MeasuredCalls,
  way: OpenWay | undefined,
  first: LoadRun | undefined,
): LoadRun {
  const channelsOpened = way?.channelsOpened?.() ?? 0
  const tasksPerSecond = quotient(tasks * 1_000, elapsedMs, 1)
  return {
    mode,
    tasks,
    failed,
    failure: failed === 0 ? null : failureOf(failure),
    elapsedMs: quotient(elapsedMs, 1, 1),
    tasksPerSecond,
    confirmMs: callMs,
    cpuMicrosPerTask: quotient(cpuMicros, tasks, 1),
    channelsOpened,
    connectionsOpened: way?.connectionsOpened?.() ?? 0,
    publishesPerChannel: quotient(tasks, channelsOpened, 1),
    speedup: quotient(tasksPerSecond, first?.tasksPerSecond ?? tasksPerSecond, 2),
  }
}

function failureOf(failure: unknown): { code: string | null; message: string } {
  const { code, message } = asError(failure) as Partial<PooledProducerError> & Error
  return { code: typeof code === 'string' ? code : null, message }
}

/** 0 where there is nothing to divide by. */
function quotient(value: number, by: number, decimals: number): number {
  return by === 0 ? 0 : Number((value / by).toFixed(decimals))
}
