import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// The guard waits for the end of its standard input, which comes with the end of this process whatever ended it,
// SIGKILL included. Signal handlers here could not promise that, and would change how the process takes signals.
// A killed process may write for a moment more, so the folder is removed until it is gone.
const GUARD = `
read -r _
for file in "$1"/*.pid; do [ -f "$file" ] && kill -s KILL -- "-$(cat "$file")"; done 2>/dev/null
tries=0
while [ -e "$1" ] && [ $tries -lt 50 ]; do rm -rf "$1" 2>/dev/null || sleep 0.1; tries=$((tries + 1)); done
`

/** How a process of a {@link GuardedFolder} is started. */
export interface GuardedProcess {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Default: output is appended to `<name>.log` in the folder. */
  readonly stdio?: StdioOptions
}

/**
 * A temporary folder and the processes that live in it. Neither outlives this process, and neither keeps its
 * event loop running.
 */
export class GuardedFolder {
  readonly path: string
  readonly #guard: ChildProcess

  constructor(prefix: string) {
    this.path = mkdtempSync(join(tmpdir(), `${prefix}-`))
    // Detached: Ctrl-C in a terminal reaches the whole foreground group, and must not reach the guard or its wards.
    this.#guard = spawn('/bin/sh', ['-c', GUARD, 'guard', this.path], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#guard.unref()
    ;(this.#guard.stdin as Socket).unref()
    this.#guard.on('error', ignore)
    this.#guard.stdin?.on('error', ignore)
  }

  /** Starts a process as the head of a group of its own; the guard ends the group. */
  spawn({ name, command, args, env, cwd = this.path, stdio }: GuardedProcess): ChildProcess {
    const log = openSync(this.#file(name, 'log'), 'a')
    const child = spawn(command, args, { cwd, env, detached: true, stdio: stdio ?? ['ignore', log, log] })
    closeSync(log)
    child.unref()
    if (child.pid !== undefined) writeFileSync(this.#file(name, 'pid'), `${child.pid}`)
    // Without its file the guard lets the pid alone, which by then may be another process's.
    child.once('exit', () => rmSync(this.#file(name, 'pid'), { force: true }))
    child.on('error', ignore)
    return child
  }

  /** The last lines that a process wrote. */
  logTail(name: string, lines = 20): string {
    const file = this.#file(name, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : ''
  }

  /** Removes the folder. Its processes must have ended. A second call does nothing. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    this.#guard.stdin?.end()
  }

  #file(name: string, kind: 'pid' | 'log'): string {
    return join(this.path, `${name}.${kind}`)
  }
}

/** Resolves when the process has ended, at once when it has already. */
export function ended(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return Promise.resolve()
  return new Promise((resolve) => {
    child.ref()
    child.once('exit', () => resolve())
  })
}

/** Whether the process was started and has not ended. */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** Sends a signal to the process and to all that it started in its group. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || !isRunning(child)) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // It ended, and its exit has not been reported yet.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function ignore(): void {}
