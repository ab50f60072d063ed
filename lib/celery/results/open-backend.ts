import type { ProducerPool } from '../../pool/producer-pool.ts'
import { LocalPool } from '../local-pool.ts'
import { NOT_CONFIGURED } from './no-results.ts'
import { RedisResults } from './redis-results.ts'
import type { ResultBackend } from './result-backend.ts'
import type { ResultSettings } from './result-options.ts'
import { RpcResults } from './rpc-results.ts'

/** Where the results of an app's tasks come from, as its options say. */
export function openBackend(settings: ResultSettings, pool: ProducerPool | LocalPool): ResultBackend {
  if (pool instanceof LocalPool) return pool.results
  const { backend } = settings
  if (backend === undefined) return NOT_CONFIGURED
  return backend === 'rpc://' ? new RpcResults(pool, settings) : new RedisResults(backend, settings)
}
