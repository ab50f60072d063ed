import { PatientTimer } from './patient-timer.ts'

/** What a clock watches. */
export interface Watched {
  /** Since when the oldest message has waited, in milliseconds of `performance.now()`; undefined: none waits. */
  waitingSince(): number | undefined
  /** Whether the broker cannot answer now, and is not to blame. */
  isExcused(): boolean
  /** No confirm has come for too long. */
  expired(): void
}

/** Looks after the time limit of confirms with one timer, however many messages are in flight. */
export class ConfirmClock {
  readonly #limitMs: number
  readonly #watched: Watched
  readonly #timer = new PatientTimer()

  constructor(limitMs: number, watched: Watched) {
    this.#limitMs = limitMs
    this.#watched = watched
  }

  /** A message was written. The timer runs on while there is traffic: one look per time limit. */
  start(): void {
    if (!this.#timer.isRunning) this.#lookIn(this.#limitMs)
  }

  stop(): void {
    this.#timer.stop()
  }

  #lookIn(ms: number): void {
    this.#timer.start(() => this.#look(), ms)
  }

  #look(): void {
    const since = this.#watched.waitingSince()
    if (since === undefined) return
    const leftMs = since + this.#limitMs - performance.now()
    if (this.#watched.isExcused()) this.#lookIn(this.#limitMs)
    else if (leftMs > 0) this.#lookIn(Math.ceil(leftMs))
    else this.#watched.expired()
  }
}
