import { type ErrorCode, PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import { type CheckedTaskOptions, DEFAULT_TASK_OPTIONS, type TaskOptions } from '../options/task-option-values.ts'
import { taskOptions } from '../options/task-options.ts'

/** Where a task goes: a queue's name, or options that hold where neither the task nor the call has its own. */
export type Route = string | TaskOptions

/** A route that was checked. */
export interface CheckedRoute {
  /** What it is called in errors. */
  readonly place: string
  readonly options: CheckedTaskOptions
}

/** What belongs to one call, or says how it is published and not where. */
const NOT_OF_A_ROUTE = ['taskId', 'timeoutMs', 'signal', 'producer', 'mandatory', 'declare']

/**
 * The options of a route.
 *
 * @throws {PooledProducerError} with that code; names the option, the value and what was expected.
 */
export function checkedRoute(route: unknown, place: string, code: ErrorCode = 'ERR_INVALID_OPTION'): CheckedRoute {
  const given = typeof route === 'string' ? { queue: route } : route
  if (!isPlainObject(given)) {
    throw invalid(code, `${place} must be a queue's name or an object of options, got ${describe(route)}`)
  }
  for (const name of NOT_OF_A_ROUTE) {
    if (given[name] !== undefined) throw invalid(code, `${place}.${name} can only be set for a task or a call`)
  }
  return Object.freeze({ place, options: checked(given, place, code) })
}

/**
 * The options of a task laid over those of its route, and these over the app's: what the task says goes before,
 * as in Celery's `lpmerge`. An option that a call took away with null is the route's again, or the app's.
 *
 * @throws {PooledProducerError} ERR_INVALID_TASK when they do not go together.
 */
export function routedOptions(
  own: CheckedTaskOptions,
  route: CheckedRoute | undefined,
  defaults: CheckedTaskOptions,
): CheckedTaskOptions {
  if (route === undefined && defaults === DEFAULT_TASK_OPTIONS) return own
  return taskOptions(own, route === undefined ? defaults : taskOptions(route.options, defaults))
}

function checked(given: TaskOptions, place: string, code: ErrorCode): CheckedTaskOptions {
  try {
    return taskOptions(given)
  } catch (error) {
    throw invalid(code, `${place}: ${(error as Error).message}`)
  }
}

function invalid(code: ErrorCode, message: string): PooledProducerError {
  return new PooledProducerError(code, message, code === 'ERR_INVALID_TASK' ? { outcome: 'not-sent' } : {})
}
