import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { freePort } from '../../lib/testing/free-port.ts'
import { afterTest } from '../support/cleanup.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const LOADER = pathToFileURL(join(ROOT, 'test/support/typescript-loader.js')).href

/** An example of `examples/` that runs as its reader would run it, on the package as it is built. */
export interface ExampleServer {
  readonly url: string
  /** Sends it SIGTERM; resolves with its exit code, or the signal that ended it. */
  terminate(): Promise<number | NodeJS.Signals>
}

/** Starts an example and waits for its line that it listens; killed after the test, should it still run. */
export async function startExample(file: string, env: NodeJS.ProcessEnv): Promise<ExampleServer> {
  const port = await freePort()
  const child = spawn(process.execPath, ['--import', LOADER, join(ROOT, 'examples', file)], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '', PORT: `${port}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  afterTest(() => child.kill('SIGKILL'))
  await listening(child)
  return {
    url: `http://127.0.0.1:${port}`,
    async terminate() {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      const [code, signal] = await exit
      return code ?? signal
    },
  }
}

function listening(child: ChildProcess): Promise<void> {
  let written = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    written += text
  })
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      if (line.includes('Server listening')) resolve()
      else written += `${line}\n`
    })
    child.once('exit', (code) => reject(new Error(`the example ended with ${code}:\n${written}`)))
  })
}
