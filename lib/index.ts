export type { Message, MessageProperties } from './amqp/message.ts'
export { ERROR_CODES, type ErrorCode, type Outcome, PooledProducerError } from './errors.ts'
export type { Credentials, Logger, PoolOptions } from './options.ts'
export type { PublishOptions } from './pool/dispatcher.ts'
export type { Receipt } from './pool/pending-publish.ts'
export type { Producer } from './pool/producer.ts'
export {
  type AcquireOptions,
  type CloseReport,
  type PoolEvents,
  type PoolState,
  type PoolStats,
  ProducerPool,
} from './pool/producer-pool.ts'
