import process from 'node:process'
import { LatencyHistogram } from '../observe/latency-histogram.ts'

/** How much is sent. */
export interface WindowLimits {
  /** Tasks at most. */
  readonly tasks: number
  /** No call begins after this time. */
  readonly timeLimitMs: number
  /** Calls at a time. */
  readonly width: number
  readonly signal: AbortSignal
}

/** What was sent, and what it took. */
export interface SentTasks {
  /** The id of each task, by its number. */
  readonly ids: readonly string[]
  readonly elapsedMs: number
  /** Processor time of this process, user and system. */
  readonly cpuMicros: number
  /** From a call to its end. */
  readonly callMs: { readonly p50: number; readonly p99: number }
}

/** Sends tasks, always as many calls at a time as the window is wide. */
export class TaskWindow {
  /** Calls that have ended. */
  done = 0
  readonly #limits: WindowLimits

  constructor(limits: WindowLimits) {
    this.#limits = limits
  }

  /**
   * Calls `send` with 0, 1, 2, ... until a limit is reached, and waits for the calls that have begun.
   *
   * @param send resolves with the task's id.
   * @throws what the first call that failed was rejected with; no call begins after it.
   */
  async run(send: (index: number) => Promise<string>): Promise<SentTasks> {
    const { tasks, timeLimitMs, width, signal } = this.#limits
    const ids: string[] = []
    const callMs = new LatencyHistogram()
    let begun = 0
    let hasFailed = false
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()

    const lane = async (): Promise<void> => {
      let now = performance.now()
      while (begun < tasks && now - startedAt < timeLimitMs && !hasFailed && !signal.aborted) {
        const index = begun++
        const calledAt = now
        try {
          ids[index] = await send(index)
        } catch (error) {
          hasFailed = true
          throw error
        }
        now = performance.now()
        callMs.record(now - calledAt)
        this.done++
      }
    }
    const lanes = await Promise.allSettled(Array.from({ length: width }, lane))
    const elapsedMs = performance.now() - startedAt
    const { user, system } = process.cpuUsage(cpuBefore)
    const failure = lanes.find((outcome) => outcome.status === 'rejected')
    if (failure !== undefined) throw failure.reason
    return { ids, elapsedMs, cpuMicros: user + system, callMs: callMs.summary() }
  }
}
