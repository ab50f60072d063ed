import type { CheckedTaskOptions } from '../options/task-option-values.ts'

/** A task of a workflow, or a group of them, by the id of its result. */
export interface PlannedResult {
  readonly id: string
  /** The results of a group's tasks; undefined: one task. */
  readonly children?: readonly PlannedResult[]
  /** What comes before it, as far as it is known. */
  parent: PlannedResult | undefined
  /** With what it is sent, once that is known: it may say that no result comes. A group has none. */
  options?: CheckedTaskOptions
}

/** Puts a result behind another: the first of those that lead to it gets that one as its parent. */
export function follow(node: PlannedResult, parent: PlannedResult | undefined): void {
  let first = node
  while (first.parent !== undefined) first = first.parent
  first.parent = parent
}
