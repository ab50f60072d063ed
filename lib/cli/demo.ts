import { count, counted } from '../observe/figures.ts'
import { lineLogger } from '../observe/line-logger.ts'
import { ReuseReport } from '../observe/reuse-report.ts'
import type { Broker, BrokerKind } from '../testing/broker.ts'
import { hasCeleryNode } from './demo-celery-node.ts'
import { WAYS, type WayName } from './demo-ways.ts'
import type { OpenWay } from './open-way.ts'
import type { ProgressLine } from './progress-line.ts'
import type { TaskArrivals } from './task-arrivals.ts'
import type { TaskQueue } from './task-queue.ts'
import { type SentTasks, TaskWindow } from './task-window.ts'

/** Calls at a time. */
export const WINDOW = 100
/** Without a count asked for, each way sends this many tasks, or as many as it can in this time. */
const DEFAULT_LIMITS = { tasks: 20_000, timeLimitMs: 4_000 }
/** A broker and a process that have just started are slow; the first way, the baseline, must not pay for that. */
const WARM_UP = { tasks: 1_000, timeLimitMs: 1_000 }

/** What one way of sending did. */
export interface DemoRun {
  readonly name: WayName
  readonly tasks: number
  readonly tasksPerSecond: number
  /** From a call to its confirm. */
  readonly confirmMs: { readonly p50: number; readonly p99: number }
  readonly cpuMicrosPerTask: number
  readonly channelsOpened: number
  readonly publishesPerChannel: number
  /** Tasks that did not arrive as they were sent. */
  readonly lost: number
  /** Messages beyond one for each task. */
  readonly duplicated: number
  /** The rate as a multiple of that of the first way. */
  readonly speedup: number
}

/** What the demo prints with `--json`. */
export interface DemoResult {
  readonly broker: { readonly kind: BrokerKind; readonly version: string }
  readonly runs: readonly DemoRun[]
  /** Of both ways with a pool together, as their log tells it. */
  readonly reuse: { readonly publishes: number; readonly channelsOpened: number; readonly reuseRatio: number }
}

/** How a demo is run. */
export interface DemoOptions {
  /** Tasks for every way, however long that takes; undefined: as many as the time allows. */
  readonly tasks: number | undefined
  readonly progress: ProgressLine
  /** Once aborted, no call begins, and the demo ends with the signal's reason. */
  readonly signal: AbortSignal
}

/**
 * Sends tasks in each way, one after the other, and counts what arrived after each.
 *
 * @returns the figures, and a sentence for each thing that went wrong.
 * @throws what a call was rejected with: no way may fail.
 */
export async function runDemo(
  broker: Broker,
  queue: TaskQueue,
  options: DemoOptions,
): Promise<{ result: DemoResult; faults: string[] }> {
  const { tasks, progress, signal } = options
  const limits = tasks === undefined ? DEFAULT_LIMITS : { tasks, timeLimitMs: Number.POSITIVE_INFINITY }
  const most = `${tasks === undefined ? 'at most ' : ''}${count(limits.tasks)}`
  const report = new ReuseReport()
  const logger = lineLogger((line) => report.add(line))
  const runs: DemoRun[] = []
  const faults: string[] = []

  const place = { url: broker.url, queue: queue.name, logger }
  const names = await presentWays(progress)
  progress.begin(() => 'warming up')
  const warmUp = await WAYS['channel-per-call']({ ...place, name: 'warm-up' })
  const warmed = await sendAll(warmUp, new TaskWindow({ ...WARM_UP, width: WINDOW, signal }))
  signal.throwIfAborted()
  faults.push(...faultsOf('the warm-up', await queue.receive(warmed.ids)))

  for (const name of names) {
    const way = await WAYS[name]({ ...place, name })
    const window = new TaskWindow({ ...limits, width: WINDOW, signal })
    progress.begin(() => `${name}: ${count(window.done)} of ${most} tasks sent`)
    const sent = await sendAll(way, window)
    signal.throwIfAborted()
    progress.begin(() => `${name}: ${counted(sent.ids.length, 'task')} sent, consuming them`)
    const arrivals = await queue.receive(sent.ids)
    signal.throwIfAborted()

    // A pool's counts stand in the last line that it logs.
    const pool = report.result().pools.find((figures) => figures.pool === name)
    const channelsOpened = way.channelsOpened?.() ?? pool?.channelsOpened ?? 0
    const run = runOf(name, sent, arrivals, channelsOpened, runs[0])
    runs.push(run)
    faults.push(...faultsOf(name, arrivals, pool?.retries))
    progress.end(`${name}: ${counted(run.tasks, 'task')} in ${(sent.elapsedMs / 1_000).toFixed(1)} s`)
  }

  const { publishes, channelsOpened, reuseRatio } = report.result().totals
  const { kind, version } = broker
  return {
    result: { broker: { kind, version }, runs, reuse: { publishes, channelsOpened, reuseRatio: reuseRatio ?? 0 } },
    faults,
  }
}

async function presentWays(progress: ProgressLine): Promise<WayName[]> {
  const names = Object.keys(WAYS) as WayName[]
  if (await hasCeleryNode()) return names
  progress.end('celery-node is not installed, so it is left out, as it is and wrapped (npm install celery-node)')
  return names.filter((name) => !name.startsWith('celery-node'))
}

async function sendAll(way: OpenWay, window: TaskWindow): Promise<SentTasks> {
  try {
    await way.ready?.()
    return await window.run((index) => way.send(index))
  } finally {
    await way.close()
  }
}

function runOf(
  name: WayName,
  { ids, elapsedMs, cpuMicros, callMs }: SentTasks,
  { lost, duplicated }: TaskArrivals,
  channelsOpened: number,
  baseline: DemoRun | undefined,
): DemoRun {
  const tasks = ids.length
  const tasksPerSecond = rounded((tasks / elapsedMs) * 1_000, 1)
  return {
    name,
    tasks,
    tasksPerSecond,
    confirmMs: { p50: callMs.p50, p99: callMs.p99 },
    cpuMicrosPerTask: rounded(cpuMicros / tasks, 1),
    channelsOpened,
    publishesPerChannel: rounded(tasks / channelsOpened, 1),
    lost,
    duplicated,
    speedup: rounded(tasksPerSecond / (baseline?.tasksPerSecond ?? tasksPerSecond), 2),
  }
}

/** A message that was sent again may arrive twice. */
function faultsOf(name: string, { lost, altered, duplicated }: TaskArrivals, retries = 0): string[] {
  const faults: string[] = []
  if (lost > altered) faults.push(`${name}: ${counted(lost - altered, 'task')} did not arrive`)
  if (altered > 0) faults.push(`${name}: ${counted(altered, 'task')} arrived as something else`)
  if (duplicated > retries) faults.push(`${name}: ${counted(duplicated, 'message')} too many arrived`)
  return faults
}

function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals))
}
