import type { Terminal } from './terminal.ts'

const UPDATE_MS = 200
const CLEAR_LINE = '\r\u001b[K'

/**
 * Says on standard error how far a piece of work is: on a terminal in one line that is updated, elsewhere in a
 * line at its start and one at its end.
 */
export class ProgressLine {
  readonly #stderr: Terminal['stderr']
  #timer: NodeJS.Timeout | undefined

  constructor({ stderr }: Terminal) {
    this.#stderr = stderr
  }

  /** Shows `text()` from now on, in place of the text before. */
  begin(text: () => string): void {
    clearInterval(this.#timer)
    if (this.#stderr.isTTY !== true) {
      this.#stderr.write(`${text()}\n`)
      return
    }
    const show = () => this.#stderr.write(`${CLEAR_LINE}${text()}`)
    show()
    this.#timer = setInterval(show, UPDATE_MS)
    this.#timer.unref()
  }

  /** Leaves `text` in place of what was shown; without one, nothing. */
  end(text?: string): void {
    clearInterval(this.#timer)
    if (this.#timer !== undefined) this.#stderr.write(CLEAR_LINE)
    this.#timer = undefined
    if (text !== undefined) this.#stderr.write(`${text}\n`)
  }
}
