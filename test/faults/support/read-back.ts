import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { CELERY } from '../../celery/celery-python.ts'
import { afterTest } from '../../support/cleanup.ts'

/** A table as `read-back.py` prints it. */
export interface Table {
  readonly $dict: readonly (readonly [string, unknown])[]
}

/** A message as Python sees it. */
export interface ReadBack {
  readonly headers: Table
  readonly properties: Table
  /** In base64. */
  readonly body: string
  /** What a task's body holds. */
  readonly json?: unknown
}

/**
 * Reads all of a queue's messages in Python, up to the one that ends it; by their message ids.
 *
 * @throws {Error} Python failed; with the end of what it wrote to standard error.
 */
export async function readBack(url: string, queue: string): Promise<Map<string, ReadBack>> {
  if (CELERY === undefined) throw new Error('no Python with Celery on this machine')
  const child = spawn(CELERY.python, [`${import.meta.dirname}/read-back.py`, url, queue])
  afterTest(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const closed = once(child, 'close')
  const messages = new Map<string, ReadBack>()
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line) as ReadBack
    messages.set(`${entry(message.properties, 'message_id')}`, message)
  }
  const [code] = await closed
  // The exception stands at the end, after what is said of messages that come while the connection is closed.
  if (code !== 0) throw new Error(`Python failed: ${errors.slice(-2_000)}`)
  return messages
}

/** What a table holds under a name. */
export function entry(table: Table, name: string): unknown {
  return table.$dict.find(([key]) => key === name)?.[1]
}

/** A value as `read-back.py` prints it. */
export function asPython(given: unknown): unknown {
  if (typeof given === 'number') {
    // To Python a whole number has no -0; the sum has none either.
    return Number.isInteger(given) && Math.abs(given) >= 2 ** 53 ? { $int: `${BigInt(given)}` } : given + 0
  }
  if (Buffer.isBuffer(given)) return { $bytes: given.toString('base64') }
  if (Array.isArray(given)) return given.map(asPython)
  return typeof given === 'object' && given !== null ? asTable(given) : given
}

/** An object as `read-back.py` prints it: what is undefined is left out. */
export function asTable(given: object): Table {
  const entries = Object.entries(given).filter(([, item]) => item !== undefined)
  return { $dict: entries.map(([key, item]) => [key, asPython(item)]) }
}
