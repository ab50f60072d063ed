import type { TaskOptions } from '../options/task-option-values.ts'

/** The options that say something: undefined is as good as absent. */
export function given(options: TaskOptions): TaskOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** Options over those that a signature has: what says the same in another way goes with it, as for a call of a task. */
export function laidOver(own: TaskOptions, options: TaskOptions): TaskOptions {
  const over = given(options)
  const { countdown, eta, stamps, headers } = over
  const merged: Record<string, unknown> = { ...own, ...over }
  if (typeof countdown === 'number' && eta === undefined) delete merged.eta
  if (eta && countdown === undefined) delete merged.countdown
  if (stamps && over.stampedHeaders === undefined) delete merged.stampedHeaders
  if (headers) merged.headers = { ...own.headers, ...headers }
  return merged
}
