import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import { type ChannelOwner, type ChannelSettings, ConfirmChannel } from '../../lib/amqp/confirm-channel.ts'
import type { ConnectSettings } from '../../lib/amqp/connect-attempt.ts'
import { Connection, type ConnectionOwner, type RawChannel } from '../../lib/amqp/connection.ts'
import type { Outgoing } from '../../lib/amqp/message-outcomes.ts'
import { type Filling, PublishTemplate } from '../../lib/amqp/publish-template.ts'
import type { TemplateFields } from '../../lib/amqp/template-fields.ts'
import type { PooledProducerError } from '../../lib/errors.ts'
import { until } from '../support/condition.ts'

/** What a connection told its owner, in order. */
export interface ConnectionEvent {
  readonly name: keyof ConnectionOwner
  readonly [detail: string]: unknown
}

/** Keeps what a connection tells. */
export class RecordedConnections implements ConnectionOwner {
  readonly events: ConnectionEvent[] = []

  opened(_: Connection, details: object): void {
    this.events.push({ name: 'opened', ...details })
  }

  lost(_: Connection, details: object): void {
    this.events.push({ name: 'lost', ...details })
  }

  retrying(_: Connection, details: object): void {
    this.events.push({ name: 'retrying', ...details })
  }

  refused(_: Connection, error: PooledProducerError): void {
    this.events.push({ name: 'refused', error })
  }

  blocked(_: Connection, reason: string): void {
    this.events.push({ name: 'blocked', reason })
  }

  unblocked(_: Connection, blockedMs: number): void {
    this.events.push({ name: 'unblocked', blockedMs })
  }

  warned(_: Connection, reason: string): void {
    this.events.push({ name: 'warned', reason })
  }

  /** The events of a name. */
  of(name: keyof ConnectionOwner): ConnectionEvent[] {
    return this.events.filter((event) => event.name === name)
  }

  /** Resolves with the event of a name; the first, or the one of that number. */
  async next(name: keyof ConnectionOwner, number = 1): Promise<ConnectionEvent> {
    await until(() => this.of(name).length >= number)
    return this.of(name)[number - 1] as ConnectionEvent
  }
}

export const CONNECTION_SETTINGS: ConnectSettings = { connectTimeoutMs: 5_000, heartbeatSeconds: 5, name: 'test' }

/** A connection, and what it tells. */
export interface TestConnection {
  readonly connection: Connection
  readonly told: RecordedConnections
}

const open = new Set<Connection>()

/** A connection to the first of the URLs that is not begun yet, and what it tells. */
export function newConnection(
  urls: string | readonly string[],
  settings: Partial<ConnectSettings> = {},
  id = 1,
): TestConnection {
  const told = new RecordedConnections()
  const nodes = [urls].flat().map((url) => parseBrokerUrl(url, settings.credentials))
  const connection = new Connection(id, nodes, { ...CONNECTION_SETTINGS, ...settings }, told)
  open.add(connection)
  return { connection, told }
}

/** A connection that is open. */
export async function openConnection(
  urls: string | readonly string[],
  settings: Partial<ConnectSettings> = {},
): Promise<TestConnection> {
  const made = newConnection(urls, settings)
  made.connection.open()
  await made.told.next('opened')
  return made
}

/** Closes what the file's tests have opened. */
export async function closeConnections(): Promise<void> {
  const closing = [...open].map((connection) => connection.close(500))
  open.clear()
  await Promise.all(closing)
}

/** A message that knows what became of it. */
export interface TestMessage extends Outgoing {
  returned: Outgoing['returned']
  /** Its number among the messages of the test. */
  readonly number: number
}

/** What became of a message. */
export type Answer = 'confirmed' | { readonly error: PooledProducerError; readonly isOrphan: boolean }

/** Keeps what a channel tells. */
export class RecordedChannels implements ChannelOwner<TestMessage> {
  /** By the message's number; more than one answer is a fault of the channel's. */
  readonly answers: Map<number, Answer[]> = new Map()
  /** The numbers of the messages answered, in order. */
  readonly order: number[] = []
  readonly confirmMs: number[] = []
  relievedCount = 0
  closedCount = 0

  confirmed(message: TestMessage, confirmMs: number): void {
    this.confirmMs.push(confirmMs)
    this.#answer(message, 'confirmed')
  }

  refused(message: TestMessage, error: PooledProducerError): void {
    this.#answer(message, { error, isOrphan: false })
  }

  orphaned(messages: TestMessage[], error: PooledProducerError): void {
    for (const message of messages) this.#answer(message, { error, isOrphan: true })
  }

  relieved(): void {
    this.relievedCount++
  }

  closed(): void {
    this.closedCount++
  }

  #answer({ number }: TestMessage, answer: Answer): void {
    this.order.push(number)
    this.answers.set(number, [...(this.answers.get(number) ?? []), answer])
  }

  /** The answer to a message, which has only one. */
  answerTo(number: number): Answer | undefined {
    const answers = this.answers.get(number) ?? []
    if (answers.length > 1) throw new Error(`message ${number} was answered ${answers.length} times`)
    return answers[0]
  }

  /** The error that a message got. */
  errorOf(number: number): PooledProducerError | undefined {
    const answer = this.answerTo(number)
    return answer === 'confirmed' ? undefined : answer?.error
  }

  /** The numbers of the messages confirmed, refused or orphaned, in ascending order. */
  numbers(kind: 'confirmed' | 'refused' | 'orphaned'): number[] {
    const numbers = [...this.answers.keys()].filter((number) => {
      const answer = this.answerTo(number)
      if (answer === 'confirmed' || answer === undefined) return kind === answer
      return kind === (answer.isOrphan ? 'orphaned' : 'refused')
    })
    return numbers.sort((a, b) => a - b)
  }

  /** Resolves when that many messages have their answer. */
  async untilAnswered(count: number): Promise<void> {
    await until(() => this.order.length >= count)
  }
}

export const CHANNEL_SETTINGS: ChannelSettings = { maxInFlight: 1_024, confirmTimeoutMs: 5_000, fastPath: true }

/** A channel, and what it tells. */
export interface TestChannel {
  readonly channel: ConfirmChannel<TestMessage>
  readonly answers: RecordedChannels
}

/** A confirm channel around amqplib's own, and what it tells. */
export function newChannel(
  raw: RawChannel,
  connection: Connection,
  settings: Partial<ChannelSettings> = {},
): TestChannel {
  const answers = new RecordedChannels()
  const channel = new ConfirmChannel<TestMessage>(1, raw, connection, answers, { ...CHANNEL_SETTINGS, ...settings })
  return { channel, answers }
}

const PLAIN: TemplateFields = { exchange: '', routingKey: '', mandatory: false, properties: {} }

/** A template of fields, of which the others are empty. */
export function templateOf(fields: Partial<TemplateFields>): PublishTemplate {
  return new PublishTemplate({ ...PLAIN, ...fields })
}

/** Message number so-and-so of a template. */
export function messageOf(template: PublishTemplate, number: number, filling: Partial<Filling> = {}): TestMessage {
  return { template, number, values: [], body: `message ${number}`, returned: undefined, ...filling }
}
