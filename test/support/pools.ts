import type { Celery } from '../../lib/celery/celery.ts'
import { createCelery } from '../../lib/celery/celery.ts'
import type { CeleryOptions } from '../../lib/celery/celery-options.ts'
import type { PoolOptions } from '../../lib/options.ts'
import { createProducerPool, type ProducerPool } from '../../lib/pool/producer-pool.ts'
import { type FaultProxy, startFaultProxy } from '../../lib/testing/fault-proxy.ts'
import { afterTest } from './cleanup.ts'

/** How long the clean-up waits for confirms that a test left open. */
const CLOSE_MS = 200

/** A pool without a log, closed after the test. */
export function makePool(options: PoolOptions): ProducerPool {
  const pool = createProducerPool({ logger: false, ...options })
  afterTest(() => pool.close({ timeoutMs: CLOSE_MS }))
  return pool
}

/** A pool with an open channel. */
export async function readyPool(options: PoolOptions): Promise<ProducerPool> {
  const pool = makePool(options)
  await pool.ready()
  return pool
}

/** An app with a pool of its own and without a log, closed after the test. */
export function makeApp(options: CeleryOptions): Celery {
  const app = createCelery({ logger: false, ...options })
  afterTest(() => app.close({ timeoutMs: CLOSE_MS }))
  return app
}

/** A proxy before the broker, stopped after the test. */
export async function makeProxy(url: string): Promise<FaultProxy> {
  const proxy = await startFaultProxy({ target: url })
  afterTest(() => proxy.stop())
  return proxy
}

/** A URL where nothing listens. */
export const NOWHERE = 'amqp://127.0.0.1:1'
