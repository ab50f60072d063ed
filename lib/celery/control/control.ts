import { quiet } from '../../errors.ts'
import { rejecting } from '../../pool/producer.ts'
import type { ProducerPool } from '../../pool/producer-pool.ts'
import {
  type BroadcastOptions,
  broadcastOptions,
  commandArguments,
  name,
  numberFrom,
  optionsOf,
  rateOf,
  signalName,
  taskIds,
} from './control-rules.ts'
import { Inspect, type InspectOptions } from './inspect.ts'
import { Mailbox, type Reply } from './mailbox.ts'

/** What `revoke` takes beside what every command takes. */
export interface RevokeOptions extends BroadcastOptions {
  /** Also end the process that runs the task. Default: false. */
  readonly terminate?: boolean
  /** The signal that ends it. Default: `SIGTERM`. */
  readonly signal?: string
}

/** What `addConsumer` takes beside what every command takes. */
export interface AddConsumerOptions extends BroadcastOptions {
  /** Default: one that is called like the queue. */
  readonly exchange?: string
  /** Default: `direct`. */
  readonly exchangeType?: string
  /** Default: the queue's name. */
  readonly routingKey?: string
}

/** What `timeLimit` takes beside what every command takes. */
export interface TimeLimitOptions extends BroadcastOptions {
  /** Seconds after which the task sees SoftTimeLimitExceeded. Default: no limit. */
  readonly soft?: number
  /** Seconds after which the worker kills the task. Default: no limit. */
  readonly hard?: number
}

/**
 * Commands to the workers. Each resolves once the broker has it, with the replies where `reply: true` asks for
 * them; a worker that is not there hears nothing and is no error. All reject with ERR_INVALID_OPTION for bad
 * input and with what `pool.publish` rejects with. Source: Celery, "Workers Guide", remote control, and
 * `celery/app/control.py`.
 */
export class Control {
  readonly #mailbox: Mailbox

  /** @param exchange Celery's `control_exchange`. */
  constructor(pool: ProducerPool, exchange: string) {
    this.#mailbox = new Mailbox(pool, exchange)
  }

  /**
   * Any command, also one of your workers' own.
   *
   * @returns one object per worker that has replied, `{ [nodeName]: reply }`, in the order of their coming.
   */
  broadcast(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    options: BroadcastOptions = {},
  ): Promise<Reply[]> {
    return rejecting(() => {
      const method = name('a command', command)
      return quiet(this.#mailbox.send(method, commandArguments(method, args), broadcastOptions(options)))
    })
  }

  /** Asks workers about themselves. */
  inspect(options: InspectOptions = {}): Inspect {
    return new Inspect((command, args, given) => this.broadcast(command, args, given), options)
  }

  /** Which workers are there; waits for their replies. */
  ping(options: BroadcastOptions = {}): Promise<Reply[]> {
    return rejecting(() => this.broadcast('ping', {}, { reply: true, ...optionsOf(options) }))
  }

  /** Tells workers not to start these tasks, and to end them if `terminate` says so. */
  revoke(ids: string | readonly string[], options: RevokeOptions = {}): Promise<Reply[]> {
    return rejecting(() => {
      const { terminate = false, signal = 'SIGTERM', ...others } = optionsOf(options)
      const args = { task_id: taskIds(ids), terminate, signal: signalName(signal) }
      return this.broadcast('revoke', args, others)
    })
  }

  /** `revoke` with `terminate: true`. */
  terminate(ids: string | readonly string[], options: Omit<RevokeOptions, 'terminate'> = {}): Promise<Reply[]> {
    return rejecting(() => this.revoke(ids, { ...optionsOf(options), terminate: true }))
  }

  /** @param rateLimit tasks per second, or `10/s`, `100/m`, `5/h`; 0: no limit. */
  rateLimit(taskName: string, rateLimit: number | string, options: BroadcastOptions = {}): Promise<Reply[]> {
    return rejecting(() => {
      const args = { task_name: name('the name of a task', taskName), rate_limit: rateOf(rateLimit) }
      return this.broadcast('rate_limit', args, options)
    })
  }

  timeLimit(taskName: string, options: TimeLimitOptions = {}): Promise<Reply[]> {
    return rejecting(() => {
      const { soft, hard, ...others } = optionsOf(options)
      const limits = {
        hard: hard === undefined ? null : numberFrom('hard', hard, 0),
        soft: soft === undefined ? null : numberFrom('soft', soft, 0),
      }
      return this.broadcast('time_limit', { task_name: name('the name of a task', taskName), ...limits }, others)
    })
  }

  /** Tells workers to consume from one more queue. */
  addConsumer(queue: string, options: AddConsumerOptions = {}): Promise<Reply[]> {
    return rejecting(() => {
      const { exchange, exchangeType = 'direct', routingKey, ...others } = optionsOf(options)
      const args = {
        queue: name('a queue', queue),
        exchange: exchange === undefined ? null : name('exchange', exchange),
        exchange_type: name('exchangeType', exchangeType),
        routing_key: routingKey === undefined ? null : name('routingKey', routingKey),
      }
      return this.broadcast('add_consumer', args, others)
    })
  }

  cancelConsumer(queue: string, options: BroadcastOptions = {}): Promise<Reply[]> {
    return rejecting(() => this.broadcast('cancel_consumer', { queue: name('a queue', queue) }, options))
  }

  /** More processes for each worker. */
  poolGrow(n = 1, options: BroadcastOptions = {}): Promise<Reply[]> {
    return rejecting(() => this.broadcast('pool_grow', { n: numberFrom('n', n, 1) }, options))
  }

  poolShrink(n = 1, options: BroadcastOptions = {}): Promise<Reply[]> {
    return rejecting(() => this.broadcast('pool_shrink', { n: numberFrom('n', n, 1) }, options))
  }

  autoscale(max: number, min: number, options: BroadcastOptions = {}): Promise<Reply[]> {
    return rejecting(() => {
      return this.broadcast('autoscale', { max: numberFrom('max', max, 0), min: numberFrom('min', min, 0) }, options)
    })
  }

  /** Restarts the processes of each worker; its setting `worker_pool_restarts` must allow it. */
  poolRestart(options: BroadcastOptions = {}): Promise<Reply[]> {
    return this.broadcast('pool_restart', { modules: null, reload: false, reloader: null }, options)
  }

  /** Tells workers to send the events that monitors such as Flower read. */
  enableEvents(options: BroadcastOptions = {}): Promise<Reply[]> {
    return this.broadcast('enable_events', {}, options)
  }

  disableEvents(options: BroadcastOptions = {}): Promise<Reply[]> {
    return this.broadcast('disable_events', {}, options)
  }

  /** Tells workers to send a heartbeat event at once. */
  heartbeat(options: BroadcastOptions = {}): Promise<Reply[]> {
    return this.broadcast('heartbeat', {}, options)
  }

  /** Ends workers, without `destination` all of them, when the tasks that run are done. */
  shutdown(options: BroadcastOptions = {}): Promise<Reply[]> {
    return this.broadcast('shutdown', {}, options)
  }

  /** @internal Stops listening for replies. */
  close(): Promise<void> {
    return this.#mailbox.close()
  }
}
