import { fileURLToPath } from 'node:url'
import { Worker } from './worker.js'

const CONNECT_TIMEOUT_MS = 30_000

/** A contestant in a process of its own, connected, that sends when told. */
export class Contestant extends Worker {
  /**
   * Starts the process and connects it.
   *
   * @param {object} entry One of the roster.
   * @param {object} settings What its `connect()` takes: url, queue, toQueue, inFlight.
   * @param {{ nodeOptions?: string[], script?: string }} process What runs in place of the process that only
   * sends.
   */
  static async start(entry, settings, { nodeOptions = [], script = './contestant-process.js' } = {}) {
    const contestant = new Contestant(
      entry.python ?? process.execPath,
      entry.python ? [path(`../contestants/${entry.name}.py`)] : [...nodeOptions, path(script)],
    )
    contestant.entry = entry
    contestant.name = entry.name
    const timer = setTimeout(() => contestant.kill(), CONNECT_TIMEOUT_MS)
    try {
      return Object.assign(contestant, await contestant.ask('connect', { name: entry.name, settings }))
    } catch (error) {
      contestant.kill()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

function path(relative) {
  return fileURLToPath(new URL(relative, import.meta.url))
}
