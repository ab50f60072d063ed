import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'

/** What is told of an attempt to connect. */
export interface ConnectTrace {
  readonly pool: string
  /** The pool's number of the connection, as in the logs. */
  readonly connection: number
  /** The node, without a password. */
  readonly broker: string
}

/** What is told of an `acquire`. */
export interface AcquireTrace {
  readonly pool: string
}

/** What is told of a publish: never its arguments. */
export interface PublishTrace {
  readonly pool: string
  readonly exchange: string
  readonly routingKey: string
  /** The task's name and id, for a task. */
  readonly task: string | undefined
  readonly taskId: string | undefined
  /** The size of the body. */
  readonly bytes: number
}

interface Traces {
  readonly connect: TracingChannel<unknown, ConnectTrace>
  readonly acquire: TracingChannel<unknown, AcquireTrace>
  readonly publish: TracingChannel<unknown, PublishTrace>
}

/**
 * The tracing channels of `node:diagnostics_channel`. Each context gets an `error` when its call has failed. The names
 * are public.
 */
export const TRACES: Traces = {
  connect: tracingChannel('pooled-producer:connect'),
  acquire: tracingChannel('pooled-producer:acquire'),
  publish: tracingChannel('pooled-producer:publish'),
}

/**
 * Makes a call and tells a channel of its start, its end, and its outcome, before the caller learns it. Unlike Node's
 * own `tracePromise` it keeps what the call gives from subscribers: a lease or a connection is its caller's alone. To be
 * called only while somebody listens.
 */
export function traced<T, C extends object>(
  channel: TracingChannel<unknown, C>,
  context: C & { error?: unknown },
  call: () => Promise<T>,
): Promise<T> {
  const settled = () => {
    channel.asyncStart.publish(context)
    channel.asyncEnd.publish(context)
  }
  const failed = (error: unknown) => {
    context.error = error
    channel.error.publish(context)
    settled()
  }
  return channel.start.runStores(context, () => {
    const given = call()
    given.then(settled, failed)
    channel.end.publish(context)
    return given
  })
}
