import { PooledProducerError } from '../errors.ts'
import { EventHub } from '../observe/event-hub.ts'
import { EventLog } from '../observe/log.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import type { TaskDraft } from './task-draft.ts'

/** What an app tells its listeners; the names are those of Celery's signals. */
export interface CeleryEvents {
  /** A task is about to be sent, and the message may be changed. */
  beforeTaskPublish: [draft: TaskDraft]
  /** The broker has confirmed a task. */
  afterTaskPublish: [draft: TaskDraft]
  /** A task was not sent, or nobody knows whether it was; the error's `outcome` says which. */
  taskPublishFailed: [draft: TaskDraft, error: PooledProducerError]
}

/** Is called around the sending of each task, to make it inside a span, say: it calls `send`, once. */
export type SendingWrapper = (draft: TaskDraft, send: () => Promise<unknown>) => void

const NAMES: readonly (keyof CeleryEvents)[] = ['beforeTaskPublish', 'afterTaskPublish', 'taskPublishFailed']

/** The listeners of an app, and the wrapper of its sendings: none of them can harm a task. */
export class PublishHooks extends EventHub<CeleryEvents> {
  readonly #log: EventLog
  #wrapper: SendingWrapper | undefined

  constructor(pool: ProducerPool) {
    const log = new EventLog(pool.options.logger, pool.options.name)
    super(log, 'an app', NAMES)
    this.#log = log
  }

  /** Whether nobody listens, and nothing is wrapped. */
  override get isEmpty(): boolean {
    return this.#wrapper === undefined && super.isEmpty
  }

  /** @throws {PooledProducerError} ERR_INVALID_OPTION when there is one already. */
  wrap(wrapper: SendingWrapper): void {
    if (this.#wrapper !== undefined) {
      throw new PooledProducerError('ERR_INVALID_OPTION', 'the tasks of this app are traced already')
    }
    this.#wrapper = wrapper
  }

  unwrap(): void {
    this.#wrapper = undefined
  }

  /** Sends a task inside the wrapper, and tells of its outcome once it has one. A wrapper that throws harms no task. */
  send<T>(draft: TaskDraft, publish: () => Promise<T>): Promise<T> {
    let sending: Promise<T> | undefined
    const send = (): Promise<T> => {
      sending ??= publish()
      return sending
    }
    try {
      this.#wrapper?.(draft, send)
    } catch (error) {
      this.#log.write('pool.warning', { reason: `the tracing of ${draft.name} threw`, error })
    }
    const sent = send()
    sent.then(
      () => this.emit('afterTaskPublish', draft),
      (error) => this.emit('taskPublishFailed', draft, error),
    )
    return sent
  }
}
