import { describe } from '../../shown-value.ts'
import { newTaskId } from '../message/task-id.ts'
import {
  errbacks,
  type SignatureTable,
  signatures,
  type WrittenSignature,
  withEach,
} from '../options/signature-rules.ts'
import type { CheckedTaskOptions, TaskOptions } from '../options/task-option-values.ts'
import { taskOptions } from '../options/task-options.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { TaskMessages } from '../task-messages.ts'
import { Canvas, invalid } from './canvas.ts'
import { laidOver } from './laid-options.ts'
import type { CanvasSender, Frame, Frozen, Lead, Plan } from './plan.ts'
import type { PlannedResult } from './planned-result.ts'
import { signatureOptions } from './signature-options.ts'

type Kwargs = Readonly<Record<string, unknown>>

/** Options that say how a message is published, and nothing of its task. */
const OF_PUBLISH = ['queue', 'exchange', 'routingKey', 'mandatory', 'declare', 'timeoutMs', 'signal', 'producer']

/** What a signature is made of. */
export interface SignatureParts {
  readonly sender: CanvasSender
  /** The messages of its task, with the task's own options. */
  readonly messages: TaskMessages
  readonly args: readonly unknown[]
  readonly kwargs: Kwargs
  /** The options of the signature, beside the task's own. */
  readonly options?: TaskOptions
  readonly immutable?: boolean
}

/** One call of a task, to be made later, by itself or in a workflow. */
export class Signature<Result = unknown> extends Canvas<AsyncResult<Result>> {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Kwargs
  /** The options of its call, those of its task included. */
  readonly options: CheckedTaskOptions
  /** Whether what came before is kept from it: neither result nor arguments are put before its own. */
  readonly immutable: boolean
  /** @internal */
  readonly sender: CanvasSender
  /** @internal */
  readonly endsInGroup = false
  /** @internal */
  readonly chordSize = 1
  readonly #messages: TaskMessages
  readonly #own: TaskOptions

  /** @throws {PooledProducerError} ERR_INVALID_TASK for what could not be sent. */
  constructor({ sender, messages, args, kwargs, options = {}, immutable = false }: SignatureParts) {
    super()
    // Refused here, where it is written, and not when a workflow is started that has it somewhere.
    messages.check(args, kwargs)
    this.options = taskOptions(options, messages.place.own)
    this.task = messages.name
    this.args = Object.freeze([...args])
    this.kwargs = Object.freeze({ ...kwargs })
    this.immutable = immutable
    this.sender = sender
    this.#messages = messages
    this.#own = options
  }

  /** @internal */
  get lead(): Lead {
    return this
  }

  /** @param options those of a task, and `immutable`: whether what came before is kept from it. */
  set({ immutable = this.immutable, ...options }: TaskOptions & { readonly immutable?: boolean }): this {
    if (typeof immutable !== 'boolean') throw invalid(`immutable must be true or false, got ${describe(immutable)}`)
    return this.#with({ options: laidOver(this.#own, options), immutable })
  }

  link(callback: WrittenSignature): this {
    return this.set({ link: withEach(this.options.link, signatures('link', callback.toJSON())) })
  }

  linkError(errback: WrittenSignature): this {
    return this.set({ linkError: withEach(this.options.linkError, errbacks('linkError', errback.toJSON())) })
  }

  toJSON(): SignatureTable {
    return this.#table(signatureOptions(this.#placed))
  }

  /** @internal */
  prepend(args: readonly unknown[], kwargs: Kwargs): this {
    if (this.immutable) return this
    return this.#with({ args: [...args, ...this.args], kwargs: { ...this.kwargs, ...kwargs } })
  }

  /** @internal */
  freeze(plan: Plan, frame: Frame): Frozen {
    const placed = this.#placed
    const replyTo = placed.replyTo ?? plan.replyTo
    const framed = { ...placed, ...(replyTo === undefined ? {} : { replyTo }), ...this.#framed(frame) }
    const result = { id: framed.taskId, parent: undefined, options: placed }
    return { table: this.#table(signatureOptions(framed)), result }
  }

  /** @internal */
  start(plan: Plan, frame: Frame): PlannedResult {
    const options = { ...this.#own, ...this.#framed(frame) }
    const result = { id: options.taskId, parent: undefined }
    plan.tasks.push({ messages: this.#messages, args: this.args, kwargs: this.kwargs, options, result })
    return result
  }

  /** @internal Another task in its place, with its options and its destination. */
  wrapped<Other>(task: string, kwargs: Kwargs): Signature<Other> {
    const options = this.#placed
    return new Signature({
      sender: this.sender,
      messages: this.sender.named(task),
      args: [],
      kwargs,
      options,
      immutable: true,
    })
  }

  /** @internal */
  startAs(plan: Plan, task: string, kwargs: Kwargs): PlannedResult {
    const placed: Record<string, unknown> = { ...this.#placed }
    const options = { taskId: newTaskId(), ...Object.fromEntries(OF_PUBLISH.map((name) => [name, placed[name]])) }
    const result = { id: options.taskId, parent: undefined }
    plan.tasks.push({ messages: this.sender.named(task), args: [], kwargs, options, result })
    return result
  }

  get #placed(): CheckedTaskOptions {
    return this.sender.placed(this.#messages, this.#own, this.args, this.kwargs)
  }

  #framed({ taskId, ...frame }: Frame): Frame & { readonly taskId: string } {
    return { ...frame, taskId: this.options.taskId ?? taskId ?? newTaskId() }
  }

  #table(options: Readonly<Record<string, unknown>>): SignatureTable {
    const { task, args, kwargs, immutable } = this
    return { task, args, kwargs, options, subtask_type: null, immutable }
  }

  #with(changed: Partial<SignatureParts>): this {
    const { sender, args, kwargs, immutable } = this
    const messages = this.#messages
    const parts = { sender, messages, args, kwargs, options: this.#own, immutable, ...changed }
    return new Signature<Result>(parts) as this
  }
}
