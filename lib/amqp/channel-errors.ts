import { asError, PooledProducerError } from '../errors.ts'
import type { PublishTemplate } from './publish-template.ts'

/** The fields of basic.return. */
export interface ReturnedReply {
  readonly replyCode: number
  readonly replyText: string
}

/** The channel is gone, and not through a fault of these messages: they can be sent again. */
export function lostChannel(cause: unknown): PooledProducerError {
  const reason = cause === undefined ? 'the connection was closed' : asError(cause).message
  return channelClosed(`the channel was lost: ${reason}`, 'unknown', true, cause)
}

/** The channel was closed from this side, with messages in flight. */
export function abandonedChannel(reason: string): PooledProducerError {
  return channelClosed(`the channel was closed: ${reason}`, 'unknown', true)
}

/** The broker closed the channel over one of these messages, and does not say which. */
export function suspectedMessages(cause: Error): PooledProducerError {
  return channelClosed(cause.message, 'unknown', false, cause)
}

/** Whether an error is of {@link suspectedMessages}: they must be sent one by one, to find out which it was. */
export function isSuspicion(error: PooledProducerError): boolean {
  return error.code === 'ERR_CHANNEL_CLOSED' && !error.retryable
}

/**
 * The broker closed the channel over this message.
 *
 * @param isCertain false: it may have been over the next one like it, and this one may have been stored.
 */
export function guiltyMessage(cause: Error, isCertain = true): PooledProducerError {
  return channelClosed(cause.message, isCertain ? 'refused' : 'unknown', false, cause)
}

/** The broker returned a mandatory message. */
export function unroutable(template: PublishTemplate, { replyCode, replyText }: ReturnedReply): PooledProducerError {
  const text = `no queue took the message for ${placeOf(template)} (${replyCode} ${replyText})`
  return new PooledProducerError('ERR_UNROUTABLE', text, { outcome: 'refused' })
}

/** The broker answered with basic.nack. */
export function nacked(template: PublishTemplate): PooledProducerError {
  const text = `the broker refused the message for ${placeOf(template)} (basic.nack)`
  return new PooledProducerError('ERR_NACKED', text, { outcome: 'refused' })
}

function placeOf({ fields: { exchange, routingKey } }: PublishTemplate): string {
  return exchange === '' ? `queue ${routingKey}` : `exchange ${exchange} with routing key ${routingKey}`
}

function channelClosed(
  message: string,
  outcome: 'unknown' | 'refused',
  retryable: boolean,
  cause?: unknown,
): PooledProducerError {
  return new PooledProducerError('ERR_CHANNEL_CLOSED', message, { outcome, retryable, cause })
}
