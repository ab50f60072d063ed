import { checkMessage, type Message } from '../amqp/message.ts'
import { PublishTemplate } from '../amqp/publish-template.ts'
import type { TemplateFields } from '../amqp/template-fields.ts'
import { checkCallOptions } from '../call-options.ts'
import type { Prepared, PublishOptions } from './publish-request.ts'

/**
 * Measured: the objects of a message that shares its frames take 700 to 750 bytes beside its body. Not all of that is
 * counted, so that 100,000 small messages fit into what a pool may hold by default.
 */
const MESSAGE_BYTES = 600

/** The last message without headers: the next is often the same but for its body, and may share its frames. */
let last: PublishTemplate | undefined
let isLastShared = false

/**
 * Checks a message and encodes its frames.
 *
 * @throws {PooledProducerError} ERR_INVALID_OPTION or ERR_MESSAGE_TOO_LARGE
 */
export function prepare(message: Message, options: PublishOptions | undefined): Prepared {
  if (options !== undefined) checkCallOptions(options, ['timeoutMs', 'signal'])
  checkMessage(message)
  const { exchange = '', routingKey, body, properties = {}, mandatory = false } = message
  const template = templateOf({ exchange, routingKey, mandatory, properties })
  // A copy: the caller may use its buffer again before the message is written.
  return { template, values: [], body: typeof body === 'string' ? body : Buffer.from(body) }
}

function templateOf(fields: TemplateFields): PublishTemplate {
  const { headers } = fields.properties
  if (headers !== undefined) {
    const properties = { ...fields.properties, headers: copyOf(headers) as typeof headers }
    return new PublishTemplate({ ...fields, properties }, false)
  }
  const isSame = last !== undefined && isAlike(last.fields, fields)
  // Only the second of a kind shows that it will be shared; from then on no message counts it as its own.
  if (isSame && isLastShared) return last as PublishTemplate
  last = new PublishTemplate({ ...fields, properties: { ...fields.properties } }, isSame, MESSAGE_BYTES)
  isLastShared = isSame
  return last
}

/** amqplib's own publish encodes headers as they are when it is called, which is later. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(copyOf)
  // A key `__proto__` is one of its own by the spread; inherited keys count, as they do for the encoder.
  const copy: Record<string, unknown> = { ...value }
  for (const key in value) copy[key] = copyOf((value as Record<string, unknown>)[key])
  return copy
}

function isAlike(a: TemplateFields, b: TemplateFields): boolean {
  if (a.exchange !== b.exchange || a.routingKey !== b.routingKey || a.mandatory !== b.mandatory) return false
  return holds(a.properties, b.properties) && holds(b.properties, a.properties)
}

/** Whether it has each property of another; one that is undefined is as good as absent. */
function holds(one: TemplateFields['properties'], other: TemplateFields['properties']): boolean {
  for (const name in other) {
    if (one[name as keyof typeof one] !== other[name as keyof typeof other]) return false
  }
  return true
}
