import type { PublishTemplate } from './publish-template.ts'

/** What the broker said when it closed a channel. */
export interface CloseReason extends Error {
  /** AMQP's reply code, e.g. 404. */
  readonly code?: number
  readonly classId?: number
  readonly methodId?: number
}

interface Outstanding {
  readonly template: PublishTemplate
  readonly body: string | Buffer
}

/** How amqplib begins what the broker said; anything else it says itself, of a broker that broke the protocol. */
const SAID_BY_BROKER = /^Channel closed by server: /
const BASIC_CLASS = 60
const BASIC_PUBLISH = 40
const NAMED_EXCHANGE = /exchange '((?:[^']|'(?! in vhost))*)'/
const MESSAGE_SIZE = /message size (\d+)/

/**
 * Which of the unconfirmed messages made the broker close the channel: the index of the guilty one, -1
 * when it was none of them (another operation on the channel failed, or the broker broke the protocol), undefined when it cannot be told.
 * RabbitMQ handles a channel's messages in order, so the first that fits what it complains of is the one.
 */
export function findCulprit(reason: CloseReason, outstanding: readonly Outstanding[]): number | undefined {
  if (!SAID_BY_BROKER.test(reason.message)) return -1
  // A bad content header is reported with the method of its class, or with none at all.
  const isPublish = reason.classId === BASIC_CLASS && (reason.methodId === BASIC_PUBLISH || reason.methodId === 0)
  if (reason.classId !== undefined && reason.classId !== 0 && !isPublish) return -1
  if (outstanding.length === 1) return 0

  const exchange = NAMED_EXCHANGE.exec(reason.message)?.[1]
  if (exchange !== undefined)
    return found(outstanding.findIndex(({ template }) => template.fields.exchange === exchange))
  const size = MESSAGE_SIZE.exec(reason.message)?.[1]
  if (size !== undefined) return found(outstanding.findIndex(({ body }) => Buffer.byteLength(body) === Number(size)))
  return undefined
}

function found(index: number): number | undefined {
  return index < 0 ? undefined : index
}
