import type { Message, MessageProperties } from '../amqp/message.ts'

/** amqplib's options of a publish. */
export interface PublishOptions extends Omit<MessageProperties, 'expiration' | 'deliveryMode'> {
  expiration?: string | number
  deliveryMode?: boolean | number
  persistent?: boolean
  mandatory?: boolean
  CC?: string | string[]
  BCC?: string | string[]
}

/** The fields of a message's properties; amqplib ignores other options, such as a received message's `clusterId`. */
const PROPERTIES = [
  'contentType',
  'contentEncoding',
  'priority',
  'correlationId',
  'replyTo',
  'messageId',
  'timestamp',
  'type',
  'userId',
  'appId',
] as const

/** The message that amqplib would make of the arguments of its `publish`. */
export function messageOf(exchange: string, routingKey: string, body: Buffer, options: PublishOptions): Message {
  const { persistent, mandatory = false, deliveryMode, expiration, CC, BCC, headers } = options
  const properties: Record<string, unknown> = {
    headers: { ...headers, ...(CC !== undefined && { CC: texts(CC) }), ...(BCC !== undefined && { BCC: texts(BCC) }) },
  }
  for (const name of PROPERTIES) if (options[name] !== undefined) properties[name] = options[name]
  const mode = persistent === undefined ? deliveryMode : persistent ? 2 : 1
  if (typeof mode === 'number') properties.deliveryMode = mode
  else if (mode) properties.deliveryMode = 2
  if (expiration !== undefined) properties.expiration = String(expiration)
  return { exchange, routingKey, body, mandatory: Boolean(mandatory), properties }
}

function texts(keys: string | string[]): string[] {
  return [keys].flat().map(String)
}
