import { describe } from '../../shown-value.ts'
import { invalid } from './canvas.ts'
import { Group } from './group.ts'
import type { Signature } from './signature.ts'

/**
 * A worker's own task that calls another for each item, in its process. It goes where that one would go, with its
 * options. Source: Celery, `celery/app/builtins.py`, `add_map_task`.
 */
export function mapped<Result>(
  name: 'celery.map' | 'celery.starmap',
  task: Signature<Result>,
  items: readonly unknown[],
): Signature<Result[]> {
  if (!Array.isArray(items)) throw invalid(`the items must be an array, got ${describe(items)}`)
  const wrong = name === 'celery.starmap' ? items.findIndex((item) => !Array.isArray(item)) : -1
  if (wrong >= 0) throw invalid(`items[${wrong}] must be an array of arguments, got ${describe(items[wrong])}`)
  return task.wrapped(name, { task: task.toJSON(), it: [...items] })
}

/** The items in parts of so many. */
export function chunked<Result>(task: Signature<Result>, items: readonly unknown[], size: number): Group<Result[]> {
  if (!Array.isArray(items)) throw invalid(`the items must be an array, got ${describe(items)}`)
  if (!Number.isInteger(size) || size < 1) {
    throw invalid(`the size of a chunk must be an integer of 1 or more, got ${describe(size)}`)
  }
  const starts = Array.from({ length: Math.ceil(items.length / size) }, (_, index) => index * size)
  return new Group(starts.map((start) => mapped('celery.starmap', task, items.slice(start, start + size))))
}
