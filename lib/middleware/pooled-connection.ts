import type { ProducerPool } from '../pool/producer-pool.ts'
import { answer } from './callback.ts'
import { LeasedChannel } from './leased-channel.ts'

type Lease = (...options: unknown[]) => Promise<LeasedChannel> | undefined

/** `createChannel` and `createConfirmChannel` of an amqplib connection, on kept channels. */
export function poolConnection(pool: ProducerPool): Record<'createChannel' | 'createConfirmChannel', Lease> {
  const lease: Lease = (...options) => {
    return answer(async () => new LeasedChannel(await pool.acquire(), pool), options.at(-1))
  }
  return { createChannel: lease, createConfirmChannel: lease }
}
