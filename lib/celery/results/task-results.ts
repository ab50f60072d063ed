import type { ResultMaker } from '../../pool/publish-request.ts'
import { AsyncResult, type Revoker } from './async-result.ts'
import type { ResultBackend } from './result-backend.ts'

/** Makes the results of tasks that have one backend. */
export class TaskResults implements ResultMaker {
  /** Where what becomes of the tasks is told. */
  readonly backend: ResultBackend
  readonly #revoker: Revoker | undefined

  constructor(backend: ResultBackend, revoker?: Revoker) {
    this.backend = backend
    this.#revoker = revoker
  }

  resultOf(taskId: string): AsyncResult {
    return new AsyncResult(taskId, this.backend, undefined, this.#revoker)
  }
}
