import { count, duration } from '../observe/figures.ts'

const WIDTH = 24

/** How far one mode of a load test is. */
export interface LoadProgress {
  readonly mode: string
  readonly done: number
  readonly elapsedMs: number
  /** What ends it: so many tasks or so long; the other is infinite. */
  readonly tasks: number
  readonly timeLimitMs: number
}

/** `pooled [#######-----]  31 %, 3,100 of 10,000 tasks, 6,200/s, 1.1 s left`: fits a terminal of 80 columns. */
export function progressText({ mode, done, elapsedMs, tasks, timeLimitMs }: LoadProgress): string {
  const share = Math.min(1, Number.isFinite(tasks) ? done / tasks : elapsedMs / timeLimitMs)
  const marks = Math.floor(share * WIDTH)
  const bar = `${'#'.repeat(marks)}${'-'.repeat(WIDTH - marks)}`
  const perMs = elapsedMs > 0 ? done / elapsedMs : 0
  const leftMs = Number.isFinite(tasks) ? (tasks - done) / perMs : Math.max(0, timeLimitMs - elapsedMs)
  const parts = [
    `${mode} [${bar}] ${Math.floor(share * 100)} %`,
    Number.isFinite(tasks) ? `${count(done)} of ${count(tasks)}` : count(done),
    `${count(perMs * 1_000)}/s`,
    Number.isFinite(leftMs) && `${duration(leftMs)} left`,
  ]
  return parts.filter((part) => part !== false).join(', ')
}
