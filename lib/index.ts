export type { Message, MessageProperties } from './amqp/message.ts'
export { type Celery, createCelery, type TaskCall } from './celery/celery.ts'
export type { CeleryOptions } from './celery/celery-options.ts'
export type { Compressor } from './celery/message/compressors.ts'
export type { SerializerDefinition } from './celery/message/value-serializer.ts'
export type { RetryPolicy } from './celery/options/retry-policy.ts'
export type { SignatureTable } from './celery/options/signature-rules.ts'
export type { TaskOptions } from './celery/options/task-option-values.ts'
export type { AsyncResult } from './celery/results/async-result.ts'
export type { BatchOutcome, Kwargs, Task } from './celery/task.ts'
export { ERROR_CODES, type ErrorCode, type Outcome, PooledProducerError } from './errors.ts'
export type { Credentials, ExternalLogin, Login, Renewable } from './login.ts'
export {
  type Pooled,
  type PooledCelery,
  type Publisher,
  type PublishFunction,
  withPooledProducer,
} from './middleware/with-pooled-producer.ts'
export type { Logger, PoolOptions } from './options.ts'
export type { PoolEvents } from './pool/event-hub.ts'
export type { AcquireOptions } from './pool/leases.ts'
export type { Receipt } from './pool/pending-publish.ts'
export type { Producer } from './pool/producer.ts'
export { createProducerPool, type ProducerPool } from './pool/producer-pool.ts'
export type { PublishOptions } from './pool/publish-request.ts'
export type { CloseReport } from './pool/shutdown.ts'
export type { PoolState, PoolStats } from './pool/stats.ts'
