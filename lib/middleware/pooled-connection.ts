import type { ProducerPool } from '../pool/producer-pool.ts'
import { LeasedChannel } from './leased-channel.ts'

/** `createChannel` and `createConfirmChannel` of an amqplib connection, on kept channels. */
export function poolConnection(
  pool: ProducerPool,
): Record<'createChannel' | 'createConfirmChannel', () => Promise<LeasedChannel>> {
  const lease = async () => new LeasedChannel(await pool.acquire(), pool)
  return { createChannel: lease, createConfirmChannel: lease }
}
