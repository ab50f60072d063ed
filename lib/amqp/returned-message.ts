import { isDeepStrictEqual } from 'node:util'
import type { Message } from 'amqplib'
import type { ReturnedReply } from './channel-errors.ts'
import type { WritableMessage } from './message-writer.ts'

/** A message that no queue took, as amqplib's `return` event has it. */
export interface ReturnedMessage extends Pick<Message, 'properties' | 'content'> {
  readonly fields: ReturnedReply & { readonly exchange: string; readonly routingKey: string }
}

/** A message that may be the one. */
interface Candidate extends WritableMessage {
  readonly returned: unknown
}

/**
 * Which of the unconfirmed messages was returned. basic.return names no delivery tag; the broker returns
 * messages in the order of publishing, each before its ack (RabbitMQ, "Publishers"), so the first that
 * matches is the one. Messages without an id are told apart by all that is in them, as far as they can be.
 */
export function findReturned<M extends Candidate>(returned: ReturnedMessage, unconfirmed: Iterable<M>): M | undefined {
  let likely: M | undefined
  for (const message of unconfirmed) {
    if (message.returned !== undefined || !isSamePlace(returned, message)) continue
    const ownId = idOf(message)
    const id = returned.properties.correlationId ?? returned.properties.messageId
    if (ownId !== id) continue
    if (ownId !== undefined || isSameContent(returned, message)) return message
    likely ??= message
  }
  return likely
}

function isSamePlace({ fields }: ReturnedMessage, { template }: WritableMessage): boolean {
  const { exchange, routingKey, mandatory } = template.fields
  return mandatory && exchange === fields.exchange && routingKey === fields.routingKey
}

function idOf({ template, values }: WritableMessage): string | undefined {
  const { correlationId, messageId } = template.fields.properties
  return typeof correlationId === 'object' ? values[0] : (correlationId ?? messageId)
}

function isSameContent({ content, properties }: ReturnedMessage, { body, template }: WritableMessage): boolean {
  if (!content.equals(typeof body === 'string' ? Buffer.from(body) : body)) return false
  return isDeepStrictEqual({ ...template.fields.properties.headers }, { ...properties.headers })
}
