import type { SignatureTable } from '../options/signature-rules.ts'
import type { CheckedTaskOptions, TaskOptions } from '../options/task-option-values.ts'

/**
 * Options with what comes after a task as nested links: messages of protocol version 1 have no place for a chain.
 * Source: Celery, `celery/canvas.py`, `use_link`.
 */
export function chainAsLinks({ chain, ...options }: TaskOptions, own: CheckedTaskOptions): TaskOptions {
  let next: SignatureTable | undefined
  // The last step stands first.
  for (const step of (chain ?? []) as readonly SignatureTable[]) next = next === undefined ? step : linked(step, next)
  if (next === undefined) return options
  const link = (options.link ?? own.link ?? []) as readonly SignatureTable[]
  return { ...options, link: [...link, next] }
}

function linked(step: SignatureTable, next: SignatureTable): SignatureTable {
  const { link = [] } = (step.options ?? {}) as { readonly link?: readonly SignatureTable[] }
  return { ...step, options: { ...step.options, link: [...link, next] } }
}
