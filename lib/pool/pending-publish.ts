import type { AsyncResource } from 'node:async_hooks'
import type { ReturnedReply } from '../amqp/channel-errors.ts'
import type { Outgoing } from '../amqp/message-outcomes.ts'
import type { PublishTemplate } from '../amqp/publish-template.ts'
import type { Resending, ResultMaker } from './publish-request.ts'

/** What a confirmed publish resolves with. */
export interface Receipt {
  /** The task's id, for a task. */
  readonly taskId?: string
  /** The pool's number of the channel that carried the message. */
  readonly channel: number
  /** How many times the message was written; more than once after a fault. */
  readonly attempts: number
  /** From the last write to the broker's answer, in milliseconds. */
  readonly confirmMs: number
}

/** How many channels have nacked a message, and when the first did. */
export interface NackRecord {
  count: number
  readonly firstAt: number
}

/** Publishes with the same time limit, in the order of their acceptance. */
export interface DeadlineLane {
  readonly timeoutMs: number
  first: PendingPublish | undefined
  last: PendingPublish | undefined
}

/** A queue, told when one of its publishes is settled where it stands. */
interface WaitingPlace {
  noteSettled(): void
}

type Resolve = (value: unknown) => void
type Reject = (error: Error) => void

// Shared by all, so that no closure is made per publish.
let takenResolve: Resolve
let takenReject: Reject
function takeSettlers(resolve: Resolve, reject: Reject): void {
  takenResolve = resolve
  takenReject = reject
}

/** A publish from its acceptance to its outcome. */
export class PendingPublish implements Outgoing {
  readonly template: PublishTemplate
  readonly values: readonly string[]
  readonly body: string | Buffer
  /** What the pool counts against `maxBufferedBytes`. */
  readonly bytes: number
  readonly promise: Promise<unknown>
  readonly resolve: Resolve
  readonly reject: Reject
  /** Makes what the promise resolves with; undefined: a {@link Receipt}. */
  readonly results: ResultMaker | undefined
  returned: ReturnedReply | undefined = undefined
  /** How many times it was written. */
  attempts = 0
  /** How it may be written again; undefined: as often as its time allows. */
  resending: Resending | undefined = undefined
  /** Whether a channel was lost with it: the broker may have it, whatever it says of the message sent again. */
  isInDoubt = false
  /** Whether a channel was closed over it or one of those around it, nobody knows which. */
  isSuspect = false
  /** The nacks that it got; undefined: none. */
  nacked: NackRecord | undefined = undefined
  isSettled = false
  /** Where it waits to be written; undefined: it was written, or is settled. */
  place: WaitingPlace | undefined = undefined
  /** Its caller's async context, for a tracer that looks there for the current span. */
  context: AsyncResource | undefined = undefined
  /** Takes the listener off the caller's signal. */
  unlisten: (() => void) | undefined = undefined
  // The lane of its deadline, a list through the publishes themselves.
  lane: DeadlineLane | undefined = undefined
  /** Whole milliseconds of `performance.now()`: a fraction would be an object of its own. */
  deadline = 0
  earlier: PendingPublish | undefined = undefined
  later: PendingPublish | undefined = undefined

  constructor(
    template: PublishTemplate,
    values: readonly string[],
    body: string | Buffer,
    results: ResultMaker | undefined,
  ) {
    this.template = template
    this.values = values
    this.body = body
    this.results = results
    let bytes = template.heldBytes + Buffer.byteLength(body)
    for (let i = 0; i < values.length; i++) bytes += (values[i] as string).length
    this.bytes = bytes
    this.promise = new Promise(takeSettlers)
    this.resolve = takenResolve
    this.reject = takenReject
  }

  /** The id of the task that the message carries. */
  get taskId(): string | undefined {
    const { correlationId, headers } = this.template.fields.properties
    if (typeof correlationId === 'object' || this.results !== undefined) return this.values[0]
    return typeof headers?.id === 'string' ? headers.id : undefined
  }

  /** The task's id, or the message's own; an empty text where it has none. */
  get id(): string {
    const { messageId } = this.template.fields.properties
    return this.taskId ?? (typeof messageId === 'string' ? messageId : '')
  }

  /** The name of the task that the message carries. */
  get task(): string | undefined {
    const task = this.template.fields.properties.headers?.task
    return typeof task === 'string' ? task : undefined
  }
}
