import { count } from '../observe/figures.ts'
import { figure } from './text-table.ts'

/** What the tables of the demo and of a load test both say of one run. */
interface RunFigures {
  readonly tasks: number
  readonly tasksPerSecond: number
  readonly confirmMs: { readonly p50: number; readonly p99: number }
  readonly cpuMicrosPerTask: number
  readonly channelsOpened: number
}

/** The headers of {@link runCells}. */
export const RUN_HEADERS: readonly string[] = ['tasks', 'tasks/s', 'p50 ms', 'p99 ms', 'CPU us/task', 'channels']

/** A run's cells under {@link RUN_HEADERS}. */
export function runCells(run: RunFigures): string[] {
  return [
    count(run.tasks),
    count(run.tasksPerSecond),
    figure(run.confirmMs.p50),
    figure(run.confirmMs.p99),
    count(run.cpuMicrosPerTask),
    count(run.channelsOpened),
  ]
}
