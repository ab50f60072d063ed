import { counted } from '../../lib/observe/figures.ts'
import type { ChaosOptions, Progress } from './run.ts'

const UPDATE_MS = 500
/** How often a line is written where there is no terminal to update one on. */
const LINE_MS = 30_000
const CLEAR_LINE = '\r\u001b[K'
const BAR_WIDTH = 20

/** Says on standard error how far a run is, how fast it goes, and what is left of it. */
export class ChaosProgress implements Progress {
  readonly #minutes: number
  readonly #startedAt = performance.now()
  #run = { tasks: 0, faults: 0 }
  #phase = ''
  #timer: NodeJS.Timeout | undefined

  constructor({ minutes, seed }: ChaosOptions) {
    this.#minutes = minutes
    process.stderr.write(`chaos: ${minutes} min with seed ${seed}\n`)
  }

  /** Shows the counts of this run from now on. */
  watch(run: { readonly tasks: number; readonly faults: number }): void {
    this.#run = run
    this.#timer = setInterval(() => this.#show(), process.stderr.isTTY ? UPDATE_MS : LINE_MS).unref()
  }

  phase(text: string): void {
    this.#phase = text
    if (process.stderr.isTTY) this.#show()
  }

  note(text: string): void {
    this.#write(`${clock(this.#elapsedMs)} ${text}`)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#write(`${clock(this.#elapsedMs)} done, ${this.#counts()}`)
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAt
  }

  #show(): void {
    const part = Math.min(1, this.#elapsedMs / (this.#minutes * 60_000))
    const left = clock(Math.max(0, this.#minutes * 60_000 - this.#elapsedMs))
    const text = `${this.#counts()}, about ${left} left; ${this.#phase}`
    if (!process.stderr.isTTY) return this.#write(`${clock(this.#elapsedMs)} ${text}`)
    const bar = '#'.repeat(Math.round(part * BAR_WIDTH)).padEnd(BAR_WIDTH, '.')
    process.stderr.write(`${CLEAR_LINE}[${bar}] ${text}`)
  }

  #counts(): string {
    const { tasks, faults } = this.#run
    const rate = Math.round((tasks / this.#elapsedMs) * 1_000)
    return `${counted(tasks, 'task')} (${rate}/s), ${counted(faults, 'fault')}`
  }

  #write(line: string): void {
    process.stderr.write(`${process.stderr.isTTY ? CLEAR_LINE : ''}${line}\n`)
  }
}

/** Minutes and seconds. */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
