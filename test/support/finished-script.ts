import { once } from 'node:events'
import { afterTest } from './cleanup.ts'
import { type Script, startScript } from './script.ts'

/** How a script ended, and what it wrote. */
export interface FinishedScript {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A script that runs, and keeps what it writes; killed after the test, should it still run. */
export interface RunningScript {
  readonly script: Script
  readonly finished: Promise<FinishedScript>
}

/** Runs a module of `test/promises` in a process of its own. */
export function runScript(name: string, env: NodeJS.ProcessEnv = {}): RunningScript {
  const script = startScript(`await import('../promises/${name}')`, env)
  const { process: child } = script
  const written = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.on('data', (text) => {
      written[stream] += text
    })
  }
  afterTest(() => child.kill('SIGKILL'))
  const finished = once(child, 'close').then(([code, signal]) => ({ code, signal, ...written }))
  return { script, finished }
}
