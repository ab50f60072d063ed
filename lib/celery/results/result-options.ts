import { integer, MAX_TIMER_MS } from '../../integer.ts'
import { describe } from '../../shown-value.ts'
import { invalidOption } from '../options/app-rules.ts'
import type { RedisPlace } from './redis-clients.ts'

/** A Redis that workers store results in. */
export interface RedisBackendOptions {
  /** Its URL, or a client of `redis` or `ioredis` that is connected to it, and that stays open. */
  readonly redis: string | object
  /** Celery's `global_keyprefix`: what stands before every key. Default: nothing. */
  readonly globalKeyprefix?: string
}

/** {@link RedisBackendOptions} checked. */
export interface RedisBackend {
  readonly redis: RedisPlace
  readonly keyPrefix: string
}

/** What an app says of its results. */
export interface ResultOptions {
  /**
   * Where results come from: `rpc://`, a queue that workers send them to; or the URL of a Redis, `redis://` or
   * `rediss://`, read through the package `redis` or `ioredis`. Default: none come.
   */
  backend?: string | RedisBackendOptions | undefined
  /** Seconds for which a result is kept here that nobody asks for. Default: 86,400. */
  resultExpires?: number
  /** How long `get` waits for a result when it is not told, in milliseconds. Default: 60,000. */
  resultTimeoutMs?: number
  /** Results kept here that nobody has asked for yet; the oldest are dropped. Default: 10,000. */
  maxKeptResults?: number
  /** The largest result that is read, in bytes. Default: 16 MiB. */
  maxResultBytes?: number
}

export const RESULT_OPTIONS: readonly (keyof ResultOptions)[] = [
  'backend',
  'resultExpires',
  'resultTimeoutMs',
  'maxKeptResults',
  'maxResultBytes',
]

/** {@link ResultOptions} checked, with every default filled in. */
export interface ResultSettings extends Readonly<Required<Omit<ResultOptions, 'backend'>>> {
  readonly backend: 'rpc://' | RedisBackend | undefined
}

/** A year. */
const MAX_SECONDS = 31_536_000

/** @throws {PooledProducerError} ERR_INVALID_OPTION names the option, the value and what was expected. */
export function resultSettings(given: Record<string, unknown>): ResultSettings {
  const number = (name: keyof ResultOptions, fallback: number, min: number, max: number) =>
    integer(name, given[name] ?? fallback, min, max)
  return Object.freeze({
    backend: backend(given.backend),
    resultExpires: number('resultExpires', 86_400, 1, MAX_SECONDS),
    resultTimeoutMs: number('resultTimeoutMs', 60_000, 1, MAX_TIMER_MS),
    maxKeptResults: number('maxKeptResults', 10_000, 0, 10_000_000),
    maxResultBytes: number('maxResultBytes', 16 * 2 ** 20, 1, Number.MAX_SAFE_INTEGER),
  })
}

function backend(value: unknown): ResultSettings['backend'] {
  // Celery's own word for none.
  if (value === undefined || value === null || value === 'disabled://') return undefined
  if (value === 'rpc://' || value === 'rpc') return 'rpc://'
  if (isRedisUrl(value)) return { redis: value, keyPrefix: '' }
  if (typeof value === 'object' && 'redis' in value) return redisBackend(value as Record<string, unknown>)
  // A URL may hold a password.
  const shown = typeof value === 'string' ? 'another text' : describe(value)
  throw invalidOption(`backend must be 'rpc://', a redis:// URL, or { redis: a URL or a client }, got ${shown}`)
}

function redisBackend({ redis, globalKeyprefix = '', ...others }: Record<string, unknown>): RedisBackend {
  const [extra] = Object.keys(others)
  if (extra !== undefined) throw invalidOption(`backend.${extra} is not known; known are redis and globalKeyprefix`)
  if (typeof globalKeyprefix !== 'string') {
    throw invalidOption(`backend.globalKeyprefix must be a string, got ${describe(globalKeyprefix)}`)
  }
  if (!isRedisUrl(redis) && !isRedisClient(redis)) {
    const text = 'backend.redis must be a redis:// or rediss:// URL, or a client of the package redis or ioredis'
    throw invalidOption(text)
  }
  // As Celery does, unless the prefix ends in a mark of its own.
  const keyPrefix = globalKeyprefix === '' || /[:_.-]$/.test(globalKeyprefix) ? globalKeyprefix : `${globalKeyprefix}_`
  return { redis, keyPrefix }
}

function isRedisUrl(value: unknown): value is string {
  return typeof value === 'string' && /^rediss?:\/\//.test(value) && URL.canParse(value)
}

function isRedisClient(value: unknown): value is RedisPlace {
  return ['duplicate', 'get', 'subscribe', 'multi'].every(
    (name) => typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function',
  )
}
