import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll } from '@jest/globals'
import { ended, GuardedFolder, isRunning, signalGroup } from '../../lib/testing/guarded-folder.ts'
import { CELERY } from '../celery/celery-python.ts'
import { uniqueName } from './broker.ts'
import { type ConditionalTest, testThatNeeds } from './needs.ts'

/** What `startCeleryWorker` takes. */
export interface CeleryWorkerOptions {
  readonly brokerUrl: string
  /** A Python file with the worker's tasks. Default: `celery_tasks.py`. */
  readonly tasks?: string
  /** More variables of its environment. */
  readonly env?: Readonly<Record<string, string>>
  /** The result backend. Default: none; results are then ignored. */
  readonly backend?: string
  /** The queues to consume from, which the worker declares. Default: one of its own. */
  readonly queues?: readonly string[]
  /** More arguments for `celery worker`. */
  readonly args?: readonly string[]
}

/** A worker that is ready for tasks. */
export interface CeleryWorker {
  readonly pid: number
  /** Its node name. */
  readonly node: string
  readonly queues: readonly string[]
  /** The first of its queues. */
  readonly queue: string
  /** What it has logged so far. */
  output(): string
  /** Lets it finish its task and ends it. A second call does nothing. */
  stop(): Promise<void>
}

const READY = /(\S+@\S+) ready\.$/m
const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000

/** Whether this machine has a Python with Celery. */
export function hasCelery(): boolean {
  return CELERY !== undefined
}

/** A test that needs a real Celery worker. */
export const celeryTest: ConditionalTest = testThatNeeds('Celery', hasCelery(), 'no Python of this machine has it')

/**
 * A worker for the tests of one file or of one `describe`, which must be those of {@link celeryTest}: without Celery
 * there is none.
 */
export function useCeleryWorker(options: CeleryWorkerOptions): () => CeleryWorker {
  let worker: CeleryWorker | undefined
  beforeAll(async () => {
    if (hasCelery()) worker = await startCeleryWorker(options)
  }, 90_000)
  afterAll(() => worker?.stop())
  return () => worker as CeleryWorker
}

/** Starts a real Celery worker with the tasks of `celery_tasks.py`. Resolves when it is ready. */
export async function startCeleryWorker(options: CeleryWorkerOptions): Promise<CeleryWorker> {
  if (CELERY === undefined) throw new Error('no Python of this machine has Celery')
  const { brokerUrl, backend, queues = [uniqueName('celery')], args = [] } = options
  const { tasks = join(import.meta.dirname, 'celery_tasks.py'), env = {} } = options
  const celeryOptions = ['--app', basename(tasks, '.py'), '--broker', brokerUrl]
  if (backend !== undefined) celeryOptions.push('--result-backend', backend)
  const workerOptions = ['--pool', 'solo', '--loglevel', 'INFO', '--queues', queues.join(',')]
  workerOptions.push('--hostname', `test-${randomBytes(4).toString('hex')}@%h`)
  // Talk among workers, which would only slow the start down.
  workerOptions.push('--without-gossip', '--without-mingle', '--without-heartbeat')

  const folder = new GuardedFolder('pooled-producer-celery')
  const child = folder.spawn({
    name: 'celery',
    command: CELERY.python,
    args: ['-m', 'celery', ...celeryOptions, 'worker', ...workerOptions, ...args],
    cwd: dirname(tasks),
    env: { ...process.env, PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let onOutput = (): void => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      onOutput()
    })
  }

  const stop = async (): Promise<void> => {
    if (isRunning(child)) {
      signalGroup(child, 'SIGTERM')
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS)
      await ended(child)
      clearTimeout(timer)
    }
    await folder.remove()
  }
  let node: string
  try {
    node = await new Promise<string>((resolve, reject) => {
      const fail = (what: string): void => reject(new Error(`the Celery worker ${what}:\n${output}`))
      const timer = setTimeout(() => fail(`was not ready in ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS)
      child.once('error', reject)
      child.once('close', () => {
        clearTimeout(timer)
        fail('ended')
      })
      onOutput = () => {
        const ready = READY.exec(output)
        if (ready === null) return
        clearTimeout(timer)
        resolve(ready[1] as string)
      }
    })
  } catch (error) {
    await stop()
    throw error
  }
  onOutput = () => {}
  return { pid: child.pid as number, node, queues, queue: queues[0] as string, output: () => output, stop }
}
