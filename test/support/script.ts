import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { pathToFileURL } from 'node:url'

/** A Node process that runs a piece of code, for tests of what happens when a process ends. */
export interface Script {
  readonly process: ChildProcess
  /** The next line that it writes to standard output; rejects when it ends instead. */
  nextLine(): Promise<string>
  /** Resolves when it has ended, with its code or signal. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

const FOLDER = import.meta.dirname
const LOADER = pathToFileURL(`${FOLDER}/typescript-loader.js`).href

/** Starts a module in a process of its own; it imports the sources as `../../lib/...`. */
export function startScript(source: string, env: NodeJS.ProcessEnv = {}): Script {
  const child = spawn(process.execPath, ['--import', LOADER, '--input-type=module', '-e', source], {
    cwd: FOLDER,
    // The runner's own flags in NODE_OPTIONS are not meant for it.
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const lines: Interface = createInterface({ input: child.stdout })
  const read = lines[Symbol.asyncIterator]()
  return {
    process: child,
    async nextLine() {
      const { value, done } = await read.next()
      if (done) throw new Error(`the script ended without another line; it wrote to standard error:\n${errors}`)
      return value
    },
    ended: once(child, 'exit').then(([code, signal]) => ({ code, signal })),
  }
}
