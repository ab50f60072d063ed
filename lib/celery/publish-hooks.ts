import { EventEmitter } from 'node:events'
import { PooledProducerError } from '../errors.ts'
import { EventLog } from '../observe/log.ts'
import type { ProducerPool } from '../pool/producer-pool.ts'
import { describe } from '../shown-value.ts'
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

const NAMES: readonly string[] = ['beforeTaskPublish', 'afterTaskPublish', 'taskPublishFailed']

/** Calls an app's listeners so that none of them can harm a task: one that throws is logged, no more. */
export class PublishHooks {
  readonly #emitter = new EventEmitter()
  readonly #log: EventLog
  #wrapper: SendingWrapper | undefined

  constructor(pool: ProducerPool) {
    this.#log = new EventLog(pool.options.logger, pool.options.name)
  }

  /** Whether nobody listens. */
  get isEmpty(): boolean {
    return this.#wrapper === undefined && this.#emitter.eventNames().length === 0
  }

  /** @throws {PooledProducerError} ERR_INVALID_OPTION for an event that there is not, or what is no function. */
  on(event: keyof CeleryEvents, listener: unknown): void {
    if (!NAMES.includes(event))
      throw invalid(`${describe(event)} is not an event of an app; known are ${NAMES.join(', ')}`)
    if (typeof listener !== 'function') throw invalid(`a listener must be a function, got ${describe(listener)}`)
    this.#emitter.on(event, listener as (...args: unknown[]) => void)
  }

  off(event: keyof CeleryEvents, listener: unknown): void {
    this.#emitter.off(event, listener as (...args: unknown[]) => void)
  }

  emit<E extends keyof CeleryEvents>(event: E, ...args: CeleryEvents[E]): void {
    const warn = (error: unknown) => this.#log.write('pool.warning', { reason: `a listener of ${event} threw`, error })
    for (const listener of this.#emitter.listeners(event)) {
      try {
        // An async listener rejects instead.
        Promise.resolve(listener(...args)).catch(warn)
      } catch (error) {
        warn(error)
      }
    }
  }

  /** @throws {PooledProducerError} ERR_INVALID_OPTION when there is one already. */
  wrap(wrapper: SendingWrapper): void {
    if (this.#wrapper !== undefined) throw invalid('the tasks of this app are traced already')
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

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
