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
const TOPIC = /access to topic '/
const NAMED_TOPIC = /access to topic '(.*)' in exchange '(.*)' in vhost '/s
const NAMED_EXCHANGE = /exchange '((?:[^']|'(?! in vhost))*)'/
const MESSAGE_SIZE = /message size (\d+)/

/** The message that made the broker close the channel. */
export interface Culprit {
  /** Among the unconfirmed messages; -1: it was none of them. */
  readonly index: number
  /** False: others fit too, and this one may have been stored before the broker changed its mind. */
  readonly isCertain: boolean
}

const NONE: Culprit = { index: -1, isCertain: true }

/**
 * Which of the unconfirmed messages made the broker close the channel: none of them, when another operation on the
 * channel failed or the broker broke the protocol; undefined when it cannot be told. RabbitMQ handles a channel's
 * messages in order, so the first that fits what it complains of is the one. When several name an exchange, though, it
 * may have been there for the first of them, whose confirm is lost, and deleted under the others.
 */
export function findCulprit(reason: CloseReason, outstanding: readonly Outstanding[]): Culprit | undefined {
  if (!SAID_BY_BROKER.test(reason.message)) return NONE
  // A bad content header is reported with the method of its class, or with none at all.
  const isPublish = reason.classId === BASIC_CLASS && (reason.methodId === BASIC_PUBLISH || reason.methodId === 0)
  if (reason.classId !== undefined && reason.classId !== 0 && !isPublish) return NONE
  if (outstanding.length === 1) return { index: 0, isCertain: true }

  const place = placeIn(reason.message)
  if (place !== undefined) {
    const fits = ({ template: { fields } }: Outstanding) =>
      fields.exchange === place.exchange && fields.routingKey === (place.routingKey ?? fields.routingKey)
    return found(outstanding.findIndex(fits), outstanding.findLastIndex(fits))
  }
  // NaN where it complains of something else: no body has so many bytes.
  const size = Number(MESSAGE_SIZE.exec(reason.message)?.[1])
  return found(outstanding.findIndex(({ body }) => Buffer.byteLength(body) === size))
}

/** Where a message was to go; no exchange at all: nothing fits. */
interface Place {
  readonly exchange: string | undefined
  readonly routingKey?: string | undefined
}

/** The place that the broker complains of; a topic is a routing key with permissions of its own. */
function placeIn(text: string): Place | undefined {
  if (TOPIC.test(text)) {
    const named = NAMED_TOPIC.exec(text)
    return { exchange: named?.[2], routingKey: named?.[1] }
  }
  const exchange = NAMED_EXCHANGE.exec(text)?.[1]
  return exchange === undefined ? undefined : { exchange }
}

function found(first: number, last = first): Culprit | undefined {
  return first < 0 ? undefined : { index: first, isCertain: first === last }
}
