import { PooledProducerError } from '../../errors.ts'
import type { Declaration } from '../../pool/declarations.ts'
import type { CheckedTaskOptions } from '../options/task-option-values.ts'
import type { ResultBackend, ResultStats } from './result-backend.ts'
import type { TaskMeta } from './task-meta.ts'

const NONE: ResultStats = Object.freeze({ waiting: 0, kept: 0, keptBytes: 0, received: 0, dropped: 0, evicted: 0 })

/** In the place of a backend where no results come: whoever asks for one is told why. */
class NoResults implements ResultBackend {
  readonly replyTo = undefined
  readonly timeoutMs = 0
  readonly obstacle = undefined
  readonly chordStarter = 'worker'
  readonly stats: ResultStats = NONE
  readonly #reason: string

  constructor(reason: string) {
    this.#reason = reason
  }

  declarationWith(own: Declaration | undefined): Declaration | undefined {
    return own
  }

  known(): undefined {
    return undefined
  }

  watch(taskId: string): never {
    throw this.#error(taskId)
  }

  async read(taskId: string): Promise<TaskMeta | undefined> {
    throw this.#error(taskId)
  }

  async forget(): Promise<void> {}

  async close(): Promise<void> {}

  #error(taskId: string): PooledProducerError {
    return new PooledProducerError('ERR_INVALID_OPTION', `no result of task ${taskId} comes here: ${this.#reason}`, {
      taskId,
    })
  }
}

/** Of an app without a backend. */
export const NOT_CONFIGURED: ResultBackend = new NoResults(
  "the app has no result backend; give createCelery one, e.g. backend: 'rpc://'",
)
const IGNORED: ResultBackend = new NoResults('the task was sent with ignoreResult')
const ELSEWHERE: ResultBackend = new NoResults('its replyTo is a queue of the caller’s')

/** Where the results of tasks with these options come from. */
export function resultsOf(options: CheckedTaskOptions, backend: ResultBackend): ResultBackend {
  if (options.ignoreResult) return IGNORED
  const isElsewhere =
    options.replyTo !== undefined && backend.replyTo !== undefined && options.replyTo !== backend.replyTo
  return isElsewhere ? ELSEWHERE : backend
}
