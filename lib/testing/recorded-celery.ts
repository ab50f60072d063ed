import { Celery } from '../celery/celery.ts'
import type { AppOptions } from '../celery/celery-options.ts'
import { LocalPool, type LocalTask, type TaskHandler } from '../celery/local-pool.ts'
import type { MemoryResults } from '../celery/results/memory-results.ts'
import type { AnyTasks } from '../celery/task-types.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { CloseReport } from '../pool/shutdown.ts'

/**
 * An app without a broker: it checks and makes every message as a real one does, and keeps it. A test reads
 * what was sent, and says what becomes of it.
 */
export class RecordedCelery<Tasks = AnyTasks> extends Celery<Tasks> {
  /** The tasks that were sent, in order. */
  readonly sent: LocalTask[]
  readonly #handlers: Map<string, TaskHandler>
  readonly #results: MemoryResults
  readonly #failures: Error[]

  constructor(options: AppOptions = {}) {
    const sent: LocalTask[] = []
    const failures: Error[] = []
    const handlers = new Map(Object.entries(options.taskHandlers ?? {}))
    const pool = new LocalPool(handlers, false, (task) => {
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      sent.push(task)
    })
    super({ ...options, pool: pool as unknown as ProducerPool })
    this.sent = sent
    this.#failures = failures
    this.#handlers = handlers
    this.#results = pool.results
  }

  /** Runs this for each task of the name; what it gives or throws is the task's result. */
  handle(name: string, handler: TaskHandler): this {
    this.#handlers.set(name, handler)
    return this
  }

  /** Gives a task its result, whether anybody waits for it already or not. */
  succeed(taskId: string, result: unknown): void {
    this.#results.succeed(taskId, result)
  }

  /** Has a task fail as if it had thrown this at the worker. */
  fail(taskId: string, error: Error): void {
    this.#results.fail(taskId, error)
  }

  /** Rejects the next publish with this, as the broker's absence or refusal would. */
  rejectNext(error: Error): void {
    this.#failures.push(error)
  }

  /** Closes its pool too, which is nobody else's. */
  override async close(): Promise<CloseReport> {
    const report = await this.pool.close()
    await super.close()
    return report
  }

  /** Forgets what was sent. */
  clear(): void {
    this.sent.length = 0
  }
}

/**
 * An app for tests that need no broker.
 *
 * @example
 * const app = createTestCelery()
 * await signUp(app, 'ada@example.org')
 * expect(app.sent).toMatchObject([{ name: 'mail.welcome', args: ['ada@example.org'] }])
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function createTestCelery<Tasks = AnyTasks>(options: AppOptions = {}): RecordedCelery<Tasks> {
  return new RecordedCelery<Tasks>(options)
}
