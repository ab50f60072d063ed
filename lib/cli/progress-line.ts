import type { Terminal } from './terminal.ts'

const UPDATE_MS = 200
/** Elsewhere than on a terminal: few enough lines for a log, often enough to see that it lives. */
const LINE_MS = 10_000
const CLEAR_LINE = '\r\u001b[K'

/**
 * Says on standard error how far a piece of work is: on a terminal in one line that is updated, elsewhere in a
 * line at its start, one now and then, and one at its end.
 */
export class ProgressLine {
  readonly #stderr: Terminal['stderr']
  readonly #lineMs: number
  #timer: NodeJS.Timeout | undefined

  /** @param lineMs how often a line is written where there is no terminal. */
  constructor({ stderr }: Terminal, lineMs: number = LINE_MS) {
    this.#stderr = stderr
    this.#lineMs = lineMs
  }

  /** Shows `text()` from now on, in place of the text before. */
  begin(text: () => string): void {
    clearInterval(this.#timer)
    const isTerminal = this.#stderr.isTTY === true
    const show = () => this.#stderr.write(isTerminal ? `${CLEAR_LINE}${text()}` : `${text()}\n`)
    show()
    this.#timer = setInterval(show, isTerminal ? UPDATE_MS : this.#lineMs)
    this.#timer.unref()
  }

  /** Leaves `text` in place of what was shown; without one, nothing. */
  end(text?: string): void {
    clearInterval(this.#timer)
    if (this.#timer !== undefined && this.#stderr.isTTY === true) this.#stderr.write(CLEAR_LINE)
    this.#timer = undefined
    if (text !== undefined) this.#stderr.write(`${text}\n`)
  }
}
