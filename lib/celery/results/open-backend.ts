import type { ProducerPool } from '../../pool/producer-pool.ts'
import { NOT_CONFIGURED } from './no-results.ts'
import type { ResultBackend } from './result-backend.ts'
import type { ResultSettings } from './result-options.ts'
import { RpcResults } from './rpc-results.ts'

/** Where the results of an app's tasks come from, as its options say. */
export function openBackend(settings: ResultSettings, pool: ProducerPool): ResultBackend {
  return settings.backend === undefined ? NOT_CONFIGURED : new RpcResults(pool, settings)
}
