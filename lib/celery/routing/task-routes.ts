import { PooledProducerError } from '../../errors.ts'
import { isPlainObject } from '../../plain-object.ts'
import { describe } from '../../shown-value.ts'
import type { TaskOptions } from '../options/task-option-values.ts'
import { globExpression } from './glob.ts'
import { type CheckedRoute, checkedRoute, type Route } from './route.ts'

/** Decides where one call goes; undefined or null: the next route is asked. */
export type RouteFunction = (
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: TaskOptions,
) => Route | null | undefined

/** A task's name, a shell pattern (a name with a `*`), or an expression that matches from the name's first letter. */
export type RoutePattern = string | RegExp

/** Routes by name: the exact one first, then the patterns in their order. */
export type RouteTable =
  | Readonly<Record<string, Route>>
  | ReadonlyMap<RoutePattern, Route>
  | readonly (readonly [pattern: RoutePattern, route: Route])[]

/** One table or function, or a list of them: the first that has an answer decides. */
export type TaskRoutes = RouteTable | RouteFunction | readonly (RouteTable | RouteFunction)[]

interface Table {
  readonly exact: ReadonlyMap<string, CheckedRoute>
  readonly patterns: readonly (readonly [RegExp, CheckedRoute])[]
}

interface Asked {
  readonly place: string
  readonly ask: RouteFunction
}

/** What the routes say of a name: for all its calls, or by functions that look at each. */
export interface RoutesOfName {
  readonly fixed: CheckedRoute | undefined
  /** To be asked in this order, before `fixed` counts. */
  readonly functions: readonly Asked[]
}

const NONE: readonly Asked[] = Object.freeze([])

/** The routes of an app, in Celery's order. Source: Celery, "Routing Tasks", and `celery/app/routes.py`. */
export class TaskRouteList {
  readonly #routes: readonly (Table | Asked)[]

  /** @throws {PooledProducerError} ERR_INVALID_OPTION names the route and what was expected. */
  constructor(given: unknown) {
    const list = listOf(given)
    this.#routes = list.map((route, index) => {
      const place = list === given ? `taskRoutes[${index}]` : 'taskRoutes'
      return typeof route === 'function' ? { place, ask: route as RouteFunction } : tableOf(route, place)
    })
  }

  /** All routes that tables hold, with what they are called in errors. */
  get fixed(): CheckedRoute[] {
    return this.#routes.flatMap((route) =>
      'ask' in route ? [] : [...route.exact.values(), ...route.patterns.map(([, to]) => to)],
    )
  }

  /** Looked up once per name. */
  of(name: string): RoutesOfName {
    const functions: Asked[] = []
    for (const route of this.#routes) {
      if ('ask' in route) {
        functions.push(route)
        continue
      }
      const fixed = route.exact.get(name) ?? route.patterns.find(([pattern]) => pattern.test(name))?.[1]
      if (fixed !== undefined) return { fixed, functions }
    }
    return { fixed: undefined, functions: functions.length === 0 ? NONE : functions }
  }
}

/** What the first function with an answer says of a call; undefined: none has one. */
export function askedRoute(
  functions: readonly Asked[],
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  options: TaskOptions,
): CheckedRoute | undefined {
  for (const { place, ask } of functions) {
    const route = answer(place, () => ask(name, args, kwargs, options))
    if (route !== undefined && route !== null)
      return checkedRoute(route, `the route that ${place} gave`, 'ERR_INVALID_TASK')
  }
  return undefined
}

function answer(place: string, ask: () => unknown): unknown {
  try {
    return ask()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PooledProducerError('ERR_INVALID_TASK', `${place} threw: ${reason}`, { cause, outcome: 'not-sent' })
  }
}

/** A list of routes, also of one; a list of pairs is one table. */
function listOf(given: unknown): readonly unknown[] {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given) || (given.length > 0 && given.every(isPair))) return [given]
  return given
}

function isPair(item: unknown): boolean {
  return Array.isArray(item) && item.length === 2 && isPattern(item[0])
}

function isPattern(value: unknown): value is RoutePattern {
  return typeof value === 'string' || isExpression(value)
}

/** Also one of another realm. */
function isExpression(value: unknown): value is RegExp {
  return Object.prototype.toString.call(value) === '[object RegExp]'
}

function tableOf(given: unknown, place: string): Table {
  const exact = new Map<string, CheckedRoute>()
  const patterns: [RegExp, CheckedRoute][] = []
  for (const [pattern, to] of entriesOf(given, place)) {
    const route = checkedRoute(to, `${place}[${describe(isExpression(pattern) ? `${pattern}` : pattern)}]`)
    if (typeof pattern !== 'string') patterns.push([fromTheStart(pattern), route])
    else if (pattern.includes('*')) patterns.push([globExpression(pattern), route])
    else exact.set(pattern, route)
  }
  return { exact, patterns }
}

function entriesOf(given: unknown, place: string): [RoutePattern, unknown][] {
  if (isPlainObject(given)) return Object.entries(given)
  const entries = given instanceof Map ? [...given] : given
  if (Array.isArray(entries) && entries.every(isPair)) return entries
  const expected = 'a function, an object of routes by name, or a Map or a list of pairs of a pattern and its route'
  throw new PooledProducerError('ERR_INVALID_OPTION', `${place} must be ${expected}, got ${describe(given)}`)
}

/** As Python's `re.match`; and with no memory of the last name, as a global expression of JavaScript's has. */
function fromTheStart({ source, flags }: RegExp): RegExp {
  return new RegExp(`^(?:${source})`, flags.replace(/[gy]/g, ''))
}
