import { PooledProducerError } from '../errors.ts'
import { isPlainObject } from '../plain-object.ts'
import { describe } from '../shown-value.ts'
import { checkHeaders } from './header-rules.ts'

/** The basic properties of AMQP 0-9-1 (section 1.8.3), under amqplib's names. */
export interface MessageProperties {
  contentType?: string
  contentEncoding?: string
  /** A field table: strings, numbers, booleans, null, Buffers, arrays and plain objects of these. */
  headers?: Readonly<Record<string, unknown>>
  /** 1: kept in memory; 2: written to disk on a durable queue. */
  deliveryMode?: number
  /** 0 to 255. */
  priority?: number
  correlationId?: string
  replyTo?: string
  /** The message's time to live in milliseconds, as a decimal string. */
  expiration?: string
  messageId?: string
  /** Seconds since 1970. */
  timestamp?: number
  type?: string
  /** The broker refuses any name but that of the connection's user. */
  userId?: string
  appId?: string
}

/** A message for `publish`. */
export interface Message {
  /** Default: the default exchange, which routes to the queue named by the routing key. */
  exchange?: string
  routingKey: string
  body: string | Uint8Array
  properties?: MessageProperties
  /** True: a message that no queue takes is an error, ERR_UNROUTABLE. Default: false. */
  mandatory?: boolean
}

const SHORT_STRINGS = [
  'contentType',
  'contentEncoding',
  'correlationId',
  'replyTo',
  'expiration',
  'messageId',
  'type',
  'userId',
  'appId',
] as const
const OCTETS = ['deliveryMode', 'priority'] as const
const PROPERTIES = new Set<string>([...SHORT_STRINGS, ...OCTETS, 'headers', 'timestamp'])
const FIELDS = new Set(['exchange', 'routingKey', 'body', 'properties', 'mandatory'])

/**
 * Checks what a caller wants to publish.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION names the field, its value and what was expected.
 */
export function checkMessage(message: Message): void {
  if (typeof message !== 'object' || message === null) throw invalid('the message', 'an object', message)
  for (const key of Object.keys(message)) {
    if (!FIELDS.has(key)) throw unknown(`message.${key}`, FIELDS)
  }
  const { exchange = '', routingKey, body, properties = {}, mandatory = false } = message
  shortString('message.exchange', exchange)
  shortString('message.routingKey', routingKey)
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw invalid('message.body', 'a string, a Buffer or another Uint8Array', body)
  }
  if (typeof body === 'string' && !body.isWellFormed()) {
    throw invalid('message.body', 'a string without half a pair of surrogates, which UTF-8 has no bytes for', body)
  }
  if (typeof mandatory !== 'boolean') throw invalid('message.mandatory', 'true or false', mandatory)
  checkProperties(properties)
}

function checkProperties(properties: unknown): void {
  if (!isPlainObject(properties)) throw invalid('message.properties', 'a plain object', properties)
  for (const key of Object.keys(properties)) {
    if (!PROPERTIES.has(key)) throw unknown(`message.properties.${key}`, PROPERTIES)
  }
  for (const name of SHORT_STRINGS) {
    const value = properties[name]
    if (value !== undefined) shortString(`message.properties.${name}`, value)
  }
  for (const name of OCTETS) {
    const value = properties[name]
    if (value !== undefined && !(Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255)) {
      throw invalid(`message.properties.${name}`, 'an integer from 0 to 255', value)
    }
  }
  const { deliveryMode, timestamp, headers } = properties as MessageProperties
  // RabbitMQ closes the channel over any other, with whatever else is in flight on it.
  if (deliveryMode !== undefined && deliveryMode !== 1 && deliveryMode !== 2) {
    throw invalid('message.properties.deliveryMode', '1 or 2', deliveryMode)
  }
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
    throw invalid('message.properties.timestamp', 'a whole number of seconds', timestamp)
  }
  if (headers !== undefined && (typeof headers !== 'object' || headers === null || Array.isArray(headers))) {
    throw invalid('message.properties.headers', 'an object', headers)
  }
  if (headers !== undefined) checkHeaders('message.properties.headers', headers)
}

function shortString(name: string, value: unknown): void {
  if (typeof value !== 'string') throw invalid(name, 'a string', value)
  if (!value.isWellFormed()) throw invalid(name, 'a string without half a pair of surrogates', value)
  if (Buffer.byteLength(value) > 255) throw invalid(name, 'a string of 255 bytes at most', value)
}

function invalid(name: string, expected: string, value: unknown): PooledProducerError {
  return refused(`${name} must be ${expected}, got ${describe(value)}`)
}

function unknown(name: string, known: ReadonlySet<string>): PooledProducerError {
  return refused(`${name} is not known; known are ${[...known].join(', ')}`)
}

function refused(message: string): PooledProducerError {
  return new PooledProducerError('ERR_INVALID_OPTION', message, { outcome: 'not-sent' })
}
