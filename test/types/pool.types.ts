// Types only: tsc checks this file, nothing runs it.
import pino from 'pino'
import {
  createProducerPool,
  ERROR_CODES,
  type ErrorCode,
  type Outcome,
  PooledProducerError,
  type PoolOptions,
  type PoolState,
  type Producer,
  type Receipt,
} from '../../lib/index.ts'
import { type Equal, holds } from './equal.ts'

// Options.
const options: PoolOptions = {
  broker: ['amqp://rabbit-1', 'amqp://rabbit-2'],
  credentials: { username: 'user', password: 'secret' },
  tls: { rejectUnauthorized: false },
  logger: pino(),
}
const pool = createProducerPool(options)
createProducerPool()
createProducerPool({ logger: false, fastPath: false, maxChannels: 4, broker: 'amqp://127.0.0.1' })
createProducerPool({ logger: console })
// @ts-expect-error misspelled
createProducerPool({ maxChanels: 4 })
// @ts-expect-error milliseconds have Ms in their name
createProducerPool({ acquireTimeout: 5 })
// @ts-expect-error a number
createProducerPool({ maxChannels: '4' })
// @ts-expect-error URLs are strings
createProducerPool({ broker: [new URL('amqp://127.0.0.1')] })
// @ts-expect-error false or a logger
createProducerPool({ logger: true })
// @ts-expect-error a logger has four levels
createProducerPool({ logger: { info() {} } })
// @ts-expect-error a password is missing
createProducerPool({ credentials: { username: 'user' } })

// Leases.
const producer = await pool.acquire({ timeoutMs: 100, signal: AbortSignal.timeout(5), block: false })
holds<Equal<typeof producer, Producer>>()
const receipt = await producer.publish(
  { routingKey: 'mail', body: 'hello', properties: { priority: 5 } },
  { timeoutMs: 5 },
)
holds<Equal<typeof receipt, Receipt>>()
pool.release(producer)
await using lease = await pool.acquire()
lease satisfies Producer
const length = await pool.use(async (used) => `${used.lease}`.length, { timeoutMs: 5 })
holds<Equal<typeof length, number>>()
// @ts-expect-error misspelled
void pool.acquire({ timeout: 5 })
// @ts-expect-error a message has a routing key
void pool.publish({ body: 'hello' })
// @ts-expect-error a body is text or bytes
void pool.publish({ routingKey: 'mail', body: { text: 'hello' } })
// @ts-expect-error no such property
void pool.publish({ routingKey: 'mail', body: 'hello', properties: { contenttype: 'text/plain' } })
// @ts-expect-error persistent is amqplib's word; AMQP's is deliveryMode
void pool.publish({ routingKey: 'mail', body: 'hello', persistent: true })

// Events and state.
pool.on('connect', ({ broker, openMs }) => [broker satisfies string, openMs satisfies number])
pool.on('summary', ({ reuseRatio }) => reuseRatio satisfies number)
pool.on('refused', (error) => error satisfies PooledProducerError)
// @ts-expect-error no such event
pool.on('connected', () => {})
holds<Equal<PoolState, 'connecting' | 'open' | 'blocked' | 'refused' | 'closing' | 'closed'>>()
// @ts-expect-error not a state
void (pool.state === 'ready')

// Errors are told apart by their code, from a closed set.
holds<
  Equal<
    ErrorCode,
    | 'ERR_INVALID_OPTION'
    | 'ERR_INVALID_PUBLISHER'
    | 'ERR_INVALID_TASK'
    | 'ERR_ACQUIRE_TIMEOUT'
    | 'ERR_POOL_EXHAUSTED'
    | 'ERR_POOL_CLOSED'
    | 'ERR_NOT_LEASED'
    | 'ERR_PRODUCER_RELEASED'
    | 'ERR_BROKER_UNAVAILABLE'
    | 'ERR_BROKER_REFUSED'
    | 'ERR_BROKER_BLOCKED'
    | 'ERR_CHANNEL_CLOSED'
    | 'ERR_NACKED'
    | 'ERR_UNROUTABLE'
    | 'ERR_PUBLISH_TIMEOUT'
    | 'ERR_MESSAGE_TOO_LARGE'
    | 'ERR_ABORTED'
    | 'ERR_RESULT_TIMEOUT'
    | 'ERR_TASK_FAILED'
    | 'ERR_TASK_REVOKED'
  >
>()
holds<Equal<Outcome, 'not-sent' | 'refused' | 'unknown'>>()
ERROR_CODES satisfies readonly ErrorCode[]
try {
  await pool.publish({ routingKey: 'mail', body: 'hello' })
} catch (error) {
  if (!(error instanceof PooledProducerError)) throw error
  // @ts-expect-error no such code
  if (error.code === 'ERR_TIMEOUT') throw error
  switch (error.code) {
    case 'ERR_UNROUTABLE':
    case 'ERR_NACKED':
      holds<Equal<typeof error.code, 'ERR_UNROUTABLE' | 'ERR_NACKED'>>()
      break
    case 'ERR_POOL_CLOSED':
      error.outcome satisfies Outcome | undefined
      break
    // @ts-expect-error no such code
    case 'ERR_CLOSED':
      break
  }
  error.retryable satisfies boolean
  error.taskId satisfies string | undefined
  // @ts-expect-error read-only
  error.code = 'ERR_ABORTED'
}
