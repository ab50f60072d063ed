import type { AsyncResult } from '../results/async-result.ts'
import { GroupResult } from '../results/group-result.ts'
import type { ChordStarter } from '../results/result-backend.ts'
import { announceChord } from './chord-announcement.ts'
import type { Plan, PlannedTask } from './plan.ts'
import type { PlannedResult } from './planned-result.ts'

type Handle = AsyncResult | GroupResult

/** What an app does for a workflow of its tasks. */
export interface PlanTools {
  /** The queue that results come to. */
  replyTo(): string | undefined
  /** Who starts chords; undefined: nobody can. */
  chordStarter(): ChordStarter | undefined
  /**
   * Checks a task, and gives its result the options that it has with its route; the function that it gives sends it.
   *
   * @throws {PooledProducerError} ERR_INVALID_TASK
   */
  prepared(task: PlannedTask): () => Promise<unknown>
  /** Rejects what is wrong before anything is sent; logged and counted. */
  refuse(error: unknown, task: string | undefined): Promise<never>
  /** The result of a task. */
  resultOf(planned: PlannedResult, parent: Handle | undefined): AsyncResult
}

/**
 * Starts a workflow. Nothing is sent unless all of it can be, and unless the backend knows of its chords; all that is
 * sent goes out in one turn.
 */
export async function runPlan(draw: (plan: Plan) => PlannedResult, tools: PlanTools): Promise<Handle> {
  const plan: Plan = { replyTo: tools.replyTo(), chordStarter: tools.chordStarter(), tasks: [], chords: [] }
  let root: PlannedResult
  let sends: (() => Promise<unknown>)[]
  try {
    root = draw(plan)
    sends = plan.tasks.map((task) => tools.prepared(task))
    // Celery, whose header may be a generator, counts as it sends and tells before the last. Here all is known before.
    if (plan.chords.length > 0) await Promise.all(plan.chords.map(announceChord))
  } catch (error) {
    return tools.refuse(error, plan.tasks[0]?.messages.name)
  }
  const sent = await Promise.allSettled(sends.map((send) => send()))
  const failed = sent.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  return handleOf(root, tools)
}

function handleOf(planned: PlannedResult, tools: PlanTools): Handle {
  const { id, children, parent } = planned
  const before = parent && handleOf(parent, tools)
  if (children === undefined) return tools.resultOf(planned, before)
  return new GroupResult(
    id,
    children.map((child) => handleOf(child, tools)),
    before,
  )
}
