/** A timer that fires later than this was held up by the process itself. */
const HELD_UP_MS = 20
const LONGEST_GRACE_MS = 200
const MOST_GRACES = 3

/**
 * A timer for answers of the broker. Timers run before I/O: after the event loop was held up, the answer may
 * lie in the socket, or the question may not even be written. So what is due waits for one turn of I/O, and
 * after a hold-up for as long again, 200 ms at most. It does not keep the process alive, unless it is told to.
 */
export class PatientTimer {
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  readonly #keepsProcess: boolean

  /** @param keepsProcess whether the process stays alive for it: where a caller waits, and nothing else may be open. */
  constructor({ keepsProcess = false }: { readonly keepsProcess?: boolean } = {}) {
    this.#keepsProcess = keepsProcess
  }

  start(run: () => void, ms: number): void {
    this.stop()
    this.#wait(run, ms, MOST_GRACES)
  }

  stop(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#timer = undefined
  }

  /** @param graces how often a hold-up is excused: a process that is always late must end its waits too. */
  #wait(run: () => void, ms: number, graces: number): void {
    const dueAt = performance.now() + ms
    this.#timer = setTimeout(() => {
      const lateMs = performance.now() - dueAt
      if (lateMs > HELD_UP_MS && graces > 0) this.#wait(run, Math.min(lateMs, LONGEST_GRACE_MS), graces - 1)
      else this.#soon(run)
    }, ms)
    if (!this.#keepsProcess) this.#timer.unref()
  }

  #soon(run: () => void): void {
    this.#immediate = setImmediate(() => {
      this.#timer = undefined
      run()
    })
  }

  get isRunning(): boolean {
    return this.#timer !== undefined
  }
}
