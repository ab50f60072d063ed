import { quiet } from '../../errors.ts'
import type { BroadcastOptions } from './control-rules.ts'
import type { Reply } from './mailbox.ts'

/** No task has it. */
const NO_ATTRIBUTE = '__none'

/** What each worker has answered, by its node name; a worker that did not answer in time is absent. */
export type Answers<T = unknown> = Readonly<Record<string, T>>

/** A task as a worker tells of it. */
export interface TaskInfo {
  readonly id: string
  readonly name: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly type: string
  readonly hostname: string
  /** Seconds since 1970; null: it has not started. */
  readonly time_start: number | null
  readonly acknowledged: boolean
  readonly delivery_info: Readonly<Record<string, unknown>>
  readonly worker_pid: number | null
}

/** A task that waits for its eta. */
export interface ScheduledTask {
  readonly eta: string
  readonly priority: number
  readonly request: TaskInfo
}

/** A queue that a worker consumes from. */
export interface QueueInfo {
  readonly name: string
  readonly exchange: Readonly<Record<string, unknown>>
  readonly routing_key: string
  readonly [field: string]: unknown
}

/** Which workers are asked, and how long for. */
export type InspectOptions = Omit<BroadcastOptions, 'reply'>

type Ask = (command: string, args: Readonly<Record<string, unknown>>, options: BroadcastOptions) => Promise<Reply[]>

/**
 * Asks workers about themselves. Each method resolves with the answers by node name, `{}` when none came in time.
 * Source: Celery, "Monitoring and Management", and `celery/app/control.py`, `Inspect`.
 */
export class Inspect {
  readonly #ask: Ask
  readonly #options: InspectOptions

  constructor(ask: Ask, options: InspectOptions) {
    this.#ask = ask
    this.#options = options
  }

  /** The tasks that run now. */
  active(): Promise<Answers<readonly TaskInfo[]>> {
    return this.#request('active')
  }

  /** The tasks that wait for their eta. */
  scheduled(): Promise<Answers<readonly ScheduledTask[]>> {
    return this.#request('scheduled')
  }

  /** The tasks that were taken from the broker and wait for their turn. */
  reserved(): Promise<Answers<readonly TaskInfo[]>> {
    return this.#request('reserved')
  }

  /** The ids of tasks that were revoked. */
  revoked(): Promise<Answers<readonly string[]>> {
    return this.#request('revoked')
  }

  /** The names of the tasks that the worker knows, with these of their attributes, such as `rate_limit`. */
  registered(...attributes: string[]): Promise<Answers<readonly string[]>> {
    // Asked for no attribute, a worker names those of its own choice beside the task's name.
    return this.#request('registered', { taskinfoitems: attributes.length > 0 ? attributes : [NO_ATTRIBUTE] })
  }

  /** Numbers of the worker: broker, pool, uptime, tasks by name. */
  stats(): Promise<Answers<Readonly<Record<string, unknown>>>> {
    return this.#request('stats')
  }

  /** The queues that are consumed from. */
  activeQueues(): Promise<Answers<readonly QueueInfo[]>> {
    return this.#request('active_queues')
  }

  /** What the worker knows of these tasks: `[state, info]` by id. */
  queryTask(...ids: string[]): Promise<Answers<Readonly<Record<string, readonly [state: string, info: TaskInfo]>>>> {
    return this.#request('query_task', { ids })
  }

  /** The worker's settings; those that were left as they are only on request. */
  conf({ withDefaults = false }: { withDefaults?: boolean } = {}): Promise<Answers<Readonly<Record<string, unknown>>>> {
    return this.#request('conf', { with_defaults: withDefaults })
  }

  ping(): Promise<Answers<{ readonly ok: 'pong' }>> {
    return this.#request('ping')
  }

  clock(): Promise<Answers<{ readonly clock: number }>> {
    return this.#request('clock')
  }

  /** A text for people. */
  report(): Promise<Answers<{ readonly ok: string }>> {
    return this.#request('report')
  }

  /** Resident memory; needs `psutil` at the worker. */
  memsample(): Promise<Answers> {
    return this.#request('memsample')
  }

  memdump(samples = 10): Promise<Answers> {
    return this.#request('memdump', { samples })
  }

  /** Any other command that answers, also one of your workers' own. */
  request(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<Answers> {
    return this.#request(command, args)
  }

  #request<T>(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<Answers<T>> {
    const asking = this.#ask(command, args, { ...this.#options, reply: true })
    return quiet(asking.then((replies) => Object.assign({}, ...replies) as Answers<T>))
  }
}
