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
  if (fields.properties.headers !== undefined) return new PublishTemplate(fields, false)
  const isSame = last !== undefined && isAlike(last.fields, fields)
  // Only the second of a kind shows that it will be shared; from then on no message counts it as its own.
  if (isSame && isLastShared) return last as PublishTemplate
  last = new PublishTemplate({ ...fields, properties: { ...fields.properties } }, isSame, MESSAGE_BYTES)
  isLastShared = isSame
  return last
}

function isAlike(a: TemplateFields, b: TemplateFields): boolean {
  if (a.exchange !== b.exchange || a.routingKey !== b.routingKey || a.mandatory !== b.mandatory) return false
  const names = Object.keys(a.properties) as (keyof typeof a.properties)[]
  if (names.length !== Object.keys(b.properties).length) return false
  // One that is undefined is as good as absent, but its name counts as one.
  return names.every((name) => Object.hasOwn(b.properties, name) && a.properties[name] === b.properties[name])
}
