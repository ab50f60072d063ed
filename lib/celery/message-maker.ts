import type { CeleryParts } from './celery-options.ts'
import type { MessageFormats } from './message/message-format.ts'
import { type CheckedTaskOptions, DEFAULT_TASK_OPTIONS, type TaskOptions } from './options/task-option-values.ts'
import { taskName, taskOptions } from './options/task-options.ts'
import type { Revoker } from './results/async-result.ts'
import { resultsOf } from './results/no-results.ts'
import type { ResultBackend } from './results/result-backend.ts'
import { TaskResults } from './results/task-results.ts'
import type { CheckedRoute } from './routing/route.ts'
import { Routing } from './routing/routing.ts'
import { askedRoute } from './routing/task-routes.ts'
import type { Kwargs } from './task.ts'
import { PER_CALL, TaskMessages } from './task-messages.ts'

/** Names, and routes that functions give, whose messages are kept encoded. */
const MOST_KEPT = 10_000

/** Makes the messages of an app's tasks: options, route and format come together here. */
export class MessageMaker {
  readonly #results: ResultBackend
  readonly #revoker: Revoker
  readonly #routing: Routing
  readonly #formats: MessageFormats
  /** For `sendTask`: the messages of each name without options. */
  readonly #plain = new Map<string, TaskMessages>()
  /** By where a function has sent them. */
  readonly #asked = new WeakMap<TaskMessages, Map<string, TaskMessages>>()

  constructor(
    { options, formats, defaults }: Pick<CeleryParts, 'options' | 'formats' | 'defaults'>,
    results: ResultBackend,
    revoker: Revoker,
  ) {
    this.#results = results
    this.#revoker = revoker
    this.#formats = formats
    this.#routing = new Routing(options.routing, defaults)
  }

  /** Whether a function of `taskRoutes` looks at each call of this name. */
  isRoutedPerCall(name: string): boolean {
    return this.#routing.routesOf(name).functions.length > 0
  }

  /**
   * The messages of a task with options of its own, where no function routes them.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK
   */
  of(name: string, own: CheckedTaskOptions): TaskMessages {
    return this.#routed(name, own, this.#routing.routesOf(name).fixed)
  }

  /** The messages of a name without options. */
  named(name: string): TaskMessages {
    let messages = this.#plain.get(name)
    if (messages === undefined) {
      messages = this.of(taskName(name), DEFAULT_TASK_OPTIONS)
      // Names come from code, but nothing says so: a bound keeps made-up ones from piling up.
      if (this.#plain.size >= MOST_KEPT) this.#plain.clear()
      this.#plain.set(name, messages)
    }
    return messages
  }

  /** Those of one call, whose options are laid over the task's. */
  ofCall(base: TaskMessages, options: TaskOptions): TaskMessages {
    const { name, place } = base
    const own = taskOptions(options, place.own)
    if (own === place.own) return base
    const isSameMessage = Object.keys(options).every((key) => PER_CALL.has(key))
    return isSameMessage ? base.for(this.#routing.place(own, this.#routing.routesOf(name).fixed)) : this.of(name, own)
  }

  /**
   * Those of a call that goes where the first function with an answer sends it.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK when a function throws, or gives what is no route.
   */
  asked(messages: TaskMessages, args: readonly unknown[], kwargs: Kwargs): TaskMessages {
    const { name, place } = messages
    const route = askedRoute(this.#routing.routesOf(name).functions, name, args, kwargs, place.own)
    if (route === undefined) return messages
    const { queue } = route.options
    // A queue that is described may be another one under the same name.
    if (typeof queue === 'object') return this.#routed(name, place.own, route)
    let byRoute = this.#asked.get(messages)
    if (byRoute === undefined) {
      byRoute = new Map()
      this.#asked.set(messages, byRoute)
    }
    const key = JSON.stringify(route.options)
    let routed = byRoute.get(key)
    if (routed === undefined) {
      routed = this.#routed(name, place.own, route)
      if (byRoute.size >= MOST_KEPT) byRoute.clear()
      byRoute.set(key, routed)
    }
    return routed
  }

  #routed(name: string, own: CheckedTaskOptions, route: CheckedRoute | undefined): TaskMessages {
    const place = this.#routing.place(own, route)
    const results = new TaskResults(resultsOf(place.options, this.#results), this.#revoker)
    return new TaskMessages(name, place, results, this.#formats.of(place.options))
  }
}
