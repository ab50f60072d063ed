import type { SignatureTable } from '../options/signature-rules.ts'
import type { CheckedTaskOptions, TaskOptions } from '../options/task-option-values.ts'
import type { ChordCounter, ChordStarter } from '../results/result-backend.ts'
import type { TaskMessages } from '../task-messages.ts'
import type { PlannedResult } from './planned-result.ts'

type Kwargs = Readonly<Record<string, unknown>>

/** A task that is to be published at once. */
export interface PlannedTask {
  readonly messages: TaskMessages
  readonly args: readonly unknown[]
  readonly kwargs: Kwargs
  readonly options: TaskOptions & { readonly taskId: string }
  readonly result: PlannedResult
}

/** A chord whose header is among the tasks of a plan. */
export interface PlannedChord {
  readonly header: PlannedResult
  /** How many tasks have to end before its body starts. */
  readonly size: number
  readonly counter: ChordCounter
}

/** What it takes to start a workflow. Everything in it is checked before the first message is sent. */
export interface Plan {
  /** Where results go; undefined: nowhere that has to be named. */
  readonly replyTo: string | undefined
  /** Who starts chords; undefined: nobody can. */
  readonly chordStarter: ChordStarter | undefined
  /** In the order of sending. */
  readonly tasks: PlannedTask[]
  /** Those that this app starts; it tells the backend of them before it sends anything. */
  readonly chords: PlannedChord[]
}

/** What a part of a workflow gets from the whole that it is in. */
export interface Frame {
  /** The id of its result. */
  readonly taskId?: string
  readonly groupId?: string
  readonly groupIndex?: number
  /** The body of the chord that it is a part of. */
  readonly chord?: SignatureTable
  /** What comes after it, the next one last. */
  readonly chain?: readonly SignatureTable[]
}

/** A part of a workflow that a worker starts later, with all ids given. */
export interface Frozen {
  readonly table: SignatureTable
  readonly result: PlannedResult
}

/** The task that a workflow begins with: it says who sends, and where to. */
export interface Lead {
  readonly sender: CanvasSender
  /** Plans another task in its place, with its destination and limits. */
  startAs(plan: Plan, task: string, kwargs: Kwargs): PlannedResult
}

/** Publishes plans. */
export interface CanvasSender {
  /** The messages of a task by its name, without options. */
  named(task: string): TaskMessages
  /** The options with which a worker that sends the task sends it to where this app would. */
  placed(messages: TaskMessages, options: TaskOptions, args: readonly unknown[], kwargs: Kwargs): CheckedTaskOptions
  /** Sends what `draw` plans, in one turn. Resolves with the handle of the result once the broker has all of it. */
  run(draw: (plan: Plan) => PlannedResult): Promise<unknown>
}
