import { PatientTimer } from '../../amqp/patient-timer.ts'
import { PooledProducerError } from '../../errors.ts'
import { AbortWatch } from '../../pool/abort-watch.ts'
import type { ResultBackend, ResultWatcher } from './result-backend.ts'
import { isFinal, type TaskMeta } from './task-meta.ts'

/** What bounds a wait for a result. */
export interface WaitOptions {
  /** In milliseconds. Default: the app's `resultTimeoutMs`. */
  readonly timeoutMs?: number
  /** Ends the wait, not the task. */
  readonly signal?: AbortSignal
}

/** States that wait for a slow reader of progress; older ones are passed over. */
const MOST_STATES = 1_000

const signals = new AbortWatch()

/**
 * What became of a task, once it has ended.
 *
 * @param told each state on the way there, the final one included.
 * @throws {PooledProducerError} rejects with ERR_RESULT_TIMEOUT, ERR_ABORTED, ERR_POOL_CLOSED, or
 *   ERR_INVALID_OPTION when there is no result to wait for.
 */
export function outcomeOf(
  backend: ResultBackend,
  taskId: string,
  options: WaitOptions,
  told: (meta: TaskMeta) => void,
): Promise<TaskMeta> {
  return new Promise((resolve, reject) => {
    const received = (meta: TaskMeta) => {
      told(meta)
      if (isFinal(meta)) resolve(meta)
    }
    watchUntil(backend, taskId, options, { received, failed: reject })
  })
}

/**
 * The states of a task as they come, the final one included.
 *
 * @throws {PooledProducerError} as {@link outcomeOf}.
 */
export async function* statesOf(
  backend: ResultBackend,
  taskId: string,
  options: WaitOptions,
): AsyncGenerator<TaskMeta, void> {
  const line: TaskMeta[] = []
  let failure: PooledProducerError | undefined
  let wake = (): void => {}
  const leave = watchUntil(backend, taskId, options, {
    received(meta) {
      if (line.push(meta) > MOST_STATES) line.shift()
      wake()
    },
    failed(error) {
      failure = error
      wake()
    },
  })
  try {
    for (;;) {
      const meta = line.shift()
      if (meta !== undefined) yield meta
      if (meta !== undefined && isFinal(meta)) return
      if (line.length > 0) continue
      if (failure !== undefined) throw failure
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    leave()
  }
}

/** Watches a task until it has ended or the wait has; gives what ends the wait sooner. */
function watchUntil(
  backend: ResultBackend,
  taskId: string,
  { timeoutMs = backend.timeoutMs, signal }: WaitOptions,
  watcher: ResultWatcher,
): () => void {
  const timer = new PatientTimer({ keepsProcess: true })
  let isOver = false
  let unwatch: (() => void) | undefined
  let unlisten: (() => void) | undefined
  const leave = (): void => {
    isOver = true
    timer.stop()
    unlisten?.()
    unwatch?.()
  }
  const fail = (error: PooledProducerError): void => {
    if (isOver) return
    leave()
    watcher.failed(error)
  }

  unwatch = backend.watch(taskId, {
    received(meta) {
      if (isFinal(meta)) leave()
      watcher.received(meta)
    },
    failed: fail,
  })
  if (isOver) unwatch()
  else if (signal?.aborted) fail(aborted(taskId, signal))
  else {
    timer.start(() => fail(timedOut(backend, taskId, timeoutMs)), timeoutMs)
    if (signal !== undefined) unlisten = signals.watch(signal, () => fail(aborted(taskId, signal)))
  }
  return leave
}

function timedOut({ obstacle }: ResultBackend, taskId: string, timeoutMs: number): PooledProducerError {
  const why = obstacle === undefined ? '' : `; ${obstacle.message}`
  const text = `no result of task ${taskId} in ${timeoutMs} ms${why}`
  return new PooledProducerError('ERR_RESULT_TIMEOUT', text, { taskId, cause: obstacle })
}

function aborted(taskId: string, signal: AbortSignal): PooledProducerError {
  const text = `the wait for the result of task ${taskId} was aborted by its signal`
  return new PooledProducerError('ERR_ABORTED', text, { taskId, cause: signal.reason })
}
