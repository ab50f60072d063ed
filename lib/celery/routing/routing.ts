import type { Declaration } from '../../pool/declarations.ts'
import { type CheckedTaskOptions, DEFAULT_TASK_OPTIONS } from '../options/task-option-values.ts'
import { DelayTopology } from './delayed-delivery.ts'
import { type Destination, destinationOf, type Place } from './destination.ts'
import { Queues } from './queues.ts'
import { type CheckedRoute, routedOptions } from './route.ts'
import type { RoutingSettings } from './routing-options.ts'
import type { RoutesOfName } from './task-routes.ts'

/** Names whose routes are kept. */
const MOST_NAMES = 10_000

/** Where the tasks of an app go, and what must be declared for it. */
export class Routing {
  readonly #settings: RoutingSettings
  readonly #defaults: CheckedTaskOptions
  readonly #queues: Queues
  readonly #topology: DelayTopology | undefined
  readonly #byName = new Map<string, RoutesOfName>()

  /** @param defaults what the app says for tasks that do not. */
  constructor(settings: RoutingSettings, defaults: CheckedTaskOptions = DEFAULT_TASK_OPTIONS) {
    this.#settings = settings
    this.#defaults = defaults
    this.#queues = new Queues(settings)
    const { delayQueueType } = settings
    if (delayQueueType !== undefined) this.#topology = new DelayTopology(delayQueueType)
  }

  /** What the routes say of a task's name; worked out once. */
  routesOf(name: string): RoutesOfName {
    let routes = this.#byName.get(name)
    if (routes === undefined) {
      routes = this.#settings.routes.of(name)
      if (this.#byName.size >= MOST_NAMES) this.#byName.clear()
      this.#byName.set(name, routes)
    }
    return routes
  }

  /**
   * Where tasks with these options go.
   *
   * @param own the options of the task and the call, which go before the route's.
   * @throws {PooledProducerError} ERR_INVALID_TASK
   */
  place(own: CheckedTaskOptions, route: CheckedRoute | undefined): Place {
    const options = routedOptions(own, route, this.#defaults)
    const { exchange, routingKey, queue } = destinationOf(options, own, (choice) => this.#queues.find(choice))
    const delayedKey = this.#delayedKey(options, { exchange, routingKey, queue })
    const declaration = options.declare ? this.#declaration(queue, delayedKey) : undefined
    return { own, options, exchange, routingKey, declaration, delayedKey }
  }

  #declaration(queue: Destination['queue'], delayedKey: string | undefined): Declaration | undefined {
    if (queue === undefined) return undefined
    if (delayedKey === undefined || this.#topology === undefined) return this.#queues.declaration(queue)
    return this.#queues.delayed(queue, this.#topology)
  }

  /** The broker can hold what goes to a quorum queue in a way that ends there. */
  #delayedKey(
    { countdown, eta }: CheckedTaskOptions,
    { exchange, routingKey, queue }: Destination,
  ): string | undefined {
    const hasToWait = countdown === undefined ? eta !== undefined : countdown >= 1
    if (!hasToWait || this.#topology === undefined || !queue?.isQuorum) return undefined
    if (exchange === '') return queue.name
    return exchange === queue.exchange?.name && queue.exchange.type !== 'direct' ? routingKey : undefined
  }
}
