import { PooledProducerError } from '../errors.ts'
import { describe, type PoolOptions } from '../options.ts'
import { ProducerPool } from '../pool/producer-pool.ts'
import {
  ROUTING_OPTIONS,
  type RoutingOptions,
  type RoutingSettings,
  routingSettings,
} from './routing/routing-options.ts'

/** What an app decides for all its tasks. Names and meanings are Celery's settings, in camelCase. */
export interface AppOptions extends RoutingOptions {
  /** What bodies are written in, unless a task says otherwise. Default: `json`. */
  taskSerializer?: string
}

/** What `createCelery` takes: a pool that exists, or the options of one of its own. */
export interface CeleryOptions extends AppOptions, PoolOptions {
  /** A pool to publish through. Without one, the app makes its own from the other options. */
  pool?: ProducerPool
}

/** {@link AppOptions} with every default filled in. */
export type EffectiveAppOptions = Readonly<Required<Omit<AppOptions, keyof RoutingOptions>>> & {
  readonly routing: RoutingSettings
}

/** An app's pool, whether it made it itself, and its own options. */
export interface CeleryParts {
  readonly pool: ProducerPool
  readonly ownsPool: boolean
  readonly options: EffectiveAppOptions
}

/** The check of one option: gives the value as it is kept; `undefined` is what nobody gave. */
type AppRule<T> = (name: string, value: unknown) => T

const RULES: { readonly [Name in keyof Omit<EffectiveAppOptions, 'routing'>]: AppRule<EffectiveAppOptions[Name]> } = {
  taskSerializer: (name, value = 'json') => word(name, value),
}

/**
 * The parts of an app: its options are checked before a pool is made of the rest.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected.
 */
export function celeryParts(given: CeleryOptions = {}): CeleryParts {
  if (typeof given !== 'object' || given === null) throw invalid(`options must be an object, got ${describe(given)}`)
  const { pool, ...others } = given
  const poolOptions = others as Record<string, unknown>
  const options: Record<string, unknown> = {}
  for (const [name, rule] of Object.entries(RULES)) {
    options[name] = rule(name, poolOptions[name])
    delete poolOptions[name]
  }
  options.routing = routingSettings(taken(poolOptions, ROUTING_OPTIONS))
  const effective = Object.freeze(options) as unknown as EffectiveAppOptions
  if (pool === undefined) return { pool: new ProducerPool(poolOptions), ownsPool: true, options: effective }

  if (typeof pool.send !== 'function') throw invalid(`pool must be a ProducerPool, got ${describe(pool)}`)
  const [extra] = Object.keys(poolOptions)
  if (extra !== undefined) throw invalid(`${extra} is an option of a pool, and a pool is given already`)
  return { pool, ownsPool: false, options: effective }
}

/** The options of these names, taken out of the others. */
function taken(options: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  const own: Record<string, unknown> = {}
  for (const name of names) {
    if (options[name] !== undefined) own[name] = options[name]
    delete options[name]
  }
  return own
}

function word(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${name} must be a name, got ${describe(value)}`)
  return value
}

function invalid(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message)
}
