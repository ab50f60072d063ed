import process from 'node:process'
import { PooledProducerError } from '../errors.ts'
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
  /** When no call has ended for so long, the rest is given up; absent: never. */
  readonly stallMs?: number
}

/** What it took to send. */
export interface Measures {
  readonly elapsedMs: number
  /** Processor time of this process, user and system. */
  readonly cpuMicros: number
  /** From a call to its end. */
  readonly callMs: { readonly p50: number; readonly p99: number }
}

/** What was sent, and what it took. */
export interface SentTasks extends Measures {
  /** The id of each task, by its number. */
  readonly ids: readonly string[]
}

/** How calls went, those that failed too. */
export interface MeasuredCalls extends Measures {
  readonly failed: number
  /** What the first call that failed was rejected with. */
  readonly failure: unknown
}

/** Sends tasks, always as many calls at a time as the window is wide. */
export class TaskWindow {
  /** Calls that have ended well. */
  done = 0
  readonly #limits: WindowLimits
  #failed = 0
  #failure: unknown

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
    const ids: string[] = []
    const { failed, failure, ...measures } = await this.measure(send, (id, index) => {
      ids[index] = id
    })
    if (failed > 0) throw failure
    return { ids, ...measures }
  }

  /**
   * As {@link run}, but a failure is part of what comes back. No call begins after it.
   *
   * @param ended is told what a call resolved with.
   */
  async measure<T>(
    send: (index: number) => Promise<T>,
    ended: (value: T, index: number) => void = ignore,
  ): Promise<MeasuredCalls> {
    const { tasks, timeLimitMs, width, signal, stallMs } = this.#limits
    const callMs = new LatencyHistogram()
    let begun = 0
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()

    const lane = async (): Promise<void> => {
      let now = performance.now()
      while (begun < tasks && now - startedAt < timeLimitMs && this.#failed === 0 && !signal.aborted) {
        const index = begun++
        const calledAt = now
        try {
          ended(await send(index), index)
        } catch (error) {
          this.#fail(1, error)
          return
        }
        now = performance.now()
        callMs.record(now - calledAt)
        this.done++
      }
    }
    const lanes = Promise.all(Array.from({ length: Math.min(width, tasks) }, lane))
    if (stallMs === undefined) await lanes
    else await this.#unlessStalled(lanes, stallMs, () => begun - this.done - this.#failed)
    const elapsedMs = performance.now() - startedAt
    const { user, system } = process.cpuUsage(cpuBefore)
    const { p50, p99 } = callMs.summary()
    const measures = { elapsedMs, cpuMicros: user + system, callMs: { p50, p99 } }
    return { ...measures, failed: this.#failed, failure: this.#failure }
  }

  #fail(calls: number, failure: unknown): void {
    if (this.#failed === 0) this.#failure = failure
    this.#failed += calls
  }

  /** Waits for the lanes, or until no call has ended for so long: those that are open count as failed. */
  async #unlessStalled(lanes: Promise<unknown>, stallMs: number, open: () => number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const stalled = new Promise<void>((resolve) => {
      let [before, since] = [0, performance.now()]
      timer = setInterval(() => {
        const ended = this.done + this.#failed
        if (ended !== before) [before, since] = [ended, performance.now()]
        else if (performance.now() - since >= stallMs) {
          const message = `no call has ended for ${stallMs} ms`
          this.#fail(open(), new PooledProducerError('ERR_PUBLISH_TIMEOUT', message))
          resolve()
        }
      }, stallMs / 10)
    })
    await Promise.race([lanes, stalled])
    clearInterval(timer)
  }
}

function ignore(): void {}
