import type { ResultNode } from './result-node.ts'
import type { WaitOptions } from './result-wait.ts'

/**
 * Waits for a result, and for the failure of a task before it, after which this one is never run: workers do not say
 * so of every task that is left. Source: Celery, `celery/result.py`, `AsyncResult.get`, `follow_parents`.
 */
export async function withParents<T>(
  node: ResultNode,
  options: WaitOptions,
  wait: (options: WaitOptions) => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  const signal = options.signal === undefined ? ending.signal : AbortSignal.any([options.signal, ending.signal])
  const bounds = { ...options, signal }
  try {
    return await Promise.race([wait(bounds), ...failures(node, bounds)])
  } finally {
    ending.abort()
  }
}

function failures(node: ResultNode, options: WaitOptions): Promise<never>[] {
  const list: Promise<never>[] = []
  let next = node
  for (let before = node.parent; before !== undefined; before = before.parent) {
    const failure = before.failureBefore?.(next.id, options)
    if (failure !== undefined) list.push(failure)
    next = before
  }
  return list
}
