import { PooledProducerError } from '../../errors.ts'
import {
  type GivenClient,
  ioredisStore,
  nodeRedisStore,
  type RedisPlace,
  type RedisStore,
  type StoreOwner,
} from './redis-clients.ts'

/**
 * Opens what reads from a Redis: through the client that is given, or through `redis` or `ioredis`, whichever
 * is installed. There is one connection for commands and one for messages; a client that was given does the
 * commands, and stays open.
 *
 * @throws {PooledProducerError} rejects with ERR_INVALID_OPTION when neither is installed.
 */
export async function openStore(place: RedisPlace, owner: StoreOwner): Promise<RedisStore> {
  if (typeof place !== 'string') {
    return 'isReady' in place ? nodeRedisStore(place, owner, false) : ioredisStore(place, owner, false)
  }
  const url = new URL(place)
  const isUnchecked = /^(?:CERT_)?NONE$/i.test(url.searchParams.get('ssl_cert_reqs') ?? '')
  const tls = url.protocol === 'rediss:' && isUnchecked ? { rejectUnauthorized: false } : undefined
  // Celery's own parameters mean nothing to a client.
  url.search = ''
  const redis = await installed(() => import('redis'))
  if (redis !== undefined) {
    const socket = tls === undefined ? undefined : { socket: { ...tls, tls: true as const } }
    return nodeRedisStore(redis.createClient({ url: url.href, ...socket }) as unknown as GivenClient, owner, true)
  }
  const ioredis = await installed(() => import('ioredis'))
  if (ioredis !== undefined) {
    const client = new ioredis.Redis(url.href, { lazyConnect: true, ...(tls && { tls }) })
    return ioredisStore(client as unknown as GivenClient, owner, true)
  }
  const text = 'a redis:// backend needs the package redis or ioredis, and neither is installed: npm install redis'
  throw new PooledProducerError('ERR_INVALID_OPTION', text)
}

async function installed<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load()
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
