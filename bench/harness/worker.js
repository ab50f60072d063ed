import { spawn } from 'node:child_process'

const CLOSE_TIMEOUT_MS = 3_000

/** A process of its own, driven over IPC, one command at a time; `serve()` is its other end. */
export class Worker {
  #child
  #pending
  #complaints = ''

  /** @param {string} command The program; it gets the IPC channel as every child process of Node does. */
  constructor(command, args) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.stderr.on('data', (text) => {
      this.#complaints = `${this.#complaints}${text}`.slice(-2_000)
    })
    this.#child.on('message', (message) => this.#settle(message))
    this.#child.on('close', (code, signal) => {
      this.#settle({ error: `its process ended (${signal ?? code}) ${this.#complaints.trim()}`.trim() })
    })
    this.#child.on('error', (error) => this.#settle({ error: error.message }))
  }

  /** Sends one command and gives its answer; the one before must have been answered. */
  ask(command, details = {}) {
    if (!this.#child.connected) return Promise.reject(new Error('its process has ended'))
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
      this.#child.send({ do: command, ...details })
    })
  }

  /** Lets the process close what it holds and end, by force if it does not end by itself. */
  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    const timer = setTimeout(() => this.kill(), CLOSE_TIMEOUT_MS)
    this.ask('close').catch(() => {})
    await ended
    clearTimeout(timer)
  }

  kill() {
    this.#child.kill('SIGKILL')
  }

  #settle({ answer, error }) {
    const pending = this.#pending
    this.#pending = undefined
    if (pending === undefined) return
    if (error === undefined) pending.resolve(answer)
    else pending.reject(new Error(error))
  }
}
