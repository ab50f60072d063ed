import { afterAll, afterEach, describe, expect, test } from '@jest/globals'
import { type ChannelModel, connect } from 'amqplib'
import { isSuspicion } from '../../lib/amqp/channel-errors.ts'
import type { ChannelSettings } from '../../lib/amqp/confirm-channel.ts'
import type { RawChannel } from '../../lib/amqp/connection.ts'
import { ID_SLOT, textSlot } from '../../lib/amqp/template-fields.ts'
import { type FaultProxy, startFaultProxy } from '../../lib/testing/index.ts'
import { rabbitmqTest, uniqueName, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'
import { closeConnections, messageOf, newChannel, openConnection, templateOf } from './recorded-owners.ts'

const broker = useBroker()
const proxies: FaultProxy[] = []
let reader: ChannelModel | undefined

afterEach(async () => {
  await closeConnections()
  for (const proxy of proxies.splice(0)) await proxy.stop()
})

afterAll(async () => {
  await reader?.close()
})

async function openProxy(): Promise<FaultProxy> {
  const proxy = await startFaultProxy({ target: broker.url })
  proxies.push(proxy)
  return proxy
}

/** A channel of a connection of the test's own, past everything that is tested. */
async function plainChannel() {
  reader ??= await connect(broker.url, { noDelay: true })
  return await reader.createChannel()
}

/** A new queue. */
async function declared(options: object = {}): Promise<string> {
  const queue = broker.queueName('confirm-channel')
  const channel = await plainChannel()
  await channel.assertQueue(queue, { durable: false, ...options })
  await channel.close()
  return queue
}

/** All that is in a queue. */
async function contentsOf(queue: string) {
  const channel = await plainChannel()
  const messages = []
  for (
    let message = await channel.get(queue, { noAck: true });
    message !== false;
    message = await channel.get(queue, { noAck: true })
  ) {
    messages.push(message)
  }
  await channel.close()
  return messages
}

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  async function open({ url = broker.url, ...settings }: Partial<ChannelSettings> & { url?: string } = {}) {
    const { connection, told } = await openConnection(url)
    const raw = await connection.openChannel()
    const { channel, answers } = newChannel(raw, connection, { fastPath, ...settings })
    const send = (...messages: ReturnType<typeof messageOf>[]): void => {
      for (const message of messages) channel.write(message, performance.now())
      channel.flush()
    }
    return { connection, told, raw, channel, answers, send }
  }

  function numbered(template: ReturnType<typeof templateOf>, count: number): ReturnType<typeof messageOf>[] {
    return Array.from({ length: count }, (_, index) => messageOf(template, index + 1))
  }

  test('a message arrives as it was sent, and is confirmed', async () => {
    const queue = await declared()
    const { channel, answers, send } = await open()
    const id = '6f1f1d0e-9d55-4b8a-9f0a-2b8f5d0f7c11'
    const properties = {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { id: ID_SLOT, argsrepr: textSlot(1), retries: 0, eta: null, list: [1, 'zwei', { three: 3.5 }] },
      deliveryMode: 2,
      priority: 5,
      correlationId: ID_SLOT,
      replyTo: 'reply',
      expiration: '60000',
      messageId: 'm-1',
      timestamp: 1_700_000_000,
      type: 'task',
      appId: 'app',
    }
    const template = templateOf({ routingKey: queue, mandatory: true, properties })
    send(messageOf(template, 1, { values: [id, '(世界,)'], body: '[["é😀"], {}]' }))
    await answers.untilAnswered(1)
    const [message] = await contentsOf(queue)

    expect(answers.answerTo(1)).toBe('confirmed')
    expect(channel).toMatchObject({ isFast: fastPath, inFlight: 0, publishes: 1 })
    expect(message?.content.toString()).toBe('[["é😀"], {}]')
    expect(message?.properties).toMatchObject({
      ...properties,
      headers: { ...properties.headers, id, argsrepr: '(世界,)' },
      correlationId: id,
    })
  })

  test('bodies of no byte, of a whole frame and of many frames arrive', async () => {
    const queue = await declared()
    const url = Object.assign(new URL(broker.url), { search: '?frameMax=4096' }).href
    const { answers, send } = await open({ url })
    const template = templateOf({ routingKey: queue })
    const bodies = ['', 'x'.repeat(4_088), 'x'.repeat(4_089), 'é'.repeat(100_000), Buffer.alloc(300_000, 1)]
    send(...bodies.map((body, index) => messageOf(template, index + 1, { body })))
    await answers.untilAnswered(bodies.length)

    const arrived = await contentsOf(queue)
    expect(arrived).toHaveLength(bodies.length)
    arrived.forEach(({ content }, index) => {
      expect(content.equals(Buffer.from(bodies[index] as string))).toBe(true)
    })
  })

  test('thousands of messages to slow and fast queues are confirmed, each once, and in their queue in order', async () => {
    const [slow, fast] = [await declared({ durable: true }), await declared()]
    const { channel, answers, send, raw } = await open({ maxInFlight: 500 })
    const unconfirmed = () => (raw as unknown as { unconfirmed: unknown[] }).unconfirmed.length
    const listeners = () => raw.eventNames().map((name) => raw.listenerCount(name as string))
    const before = listeners()
    const persistent = templateOf({ routingKey: slow, properties: { deliveryMode: 2 } })
    const transient = templateOf({ routingKey: fast })
    const messages = Array.from({ length: 10_000 }, (_, index) =>
      messageOf(index % 7 === 0 ? persistent : transient, index + 1),
    )
    for (let next = 0; next < messages.length; ) {
      if (channel.room === 0) await channel.whenRelieved()
      const count = Math.min(channel.room, 50)
      send(...messages.slice(next, next + count))
      next += count
      expect(unconfirmed()).toBeLessThanOrEqual(500)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await channel.whenEmpty()

    expect(answers.numbers('confirmed')).toHaveLength(10_000)
    expect(unconfirmed()).toBe(0)
    expect(listeners()).toEqual(before)
    const bodies = (await contentsOf(slow)).map(({ content }) => Number(content.toString().replace('message ', '')))
    expect(bodies).toEqual(messages.filter((_, index) => index % 7 === 0).map(({ number }) => number))
  })

  rabbitmqTest('a message that a full queue refuses is refused, and its neighbours are confirmed', async () => {
    const full = await declared({ maxLength: 1, overflow: 'reject-publish' })
    const other = await declared()
    const { answers, send } = await open()
    const [toFull, toOther] = [templateOf({ routingKey: full }), templateOf({ routingKey: other })]
    send(messageOf(toFull, 1))
    await answers.untilAnswered(1)
    send(messageOf(toOther, 2), messageOf(toFull, 3), messageOf(toOther, 4))
    await answers.untilAnswered(4)

    expect(answers.numbers('confirmed')).toEqual([1, 2, 4])
    expect(answers.errorOf(3)).toMatchObject({ code: 'ERR_NACKED', outcome: 'refused', retryable: true })
  })

  test('each message that no queue took is refused, and no other', async () => {
    const queue = await declared()
    const { answers, send, channel } = await open()
    const routed = templateOf({ routingKey: queue, mandatory: true, properties: { correlationId: ID_SLOT } })
    const lost = templateOf({ routingKey: `${queue}.missing`, mandatory: true, properties: { correlationId: ID_SLOT } })
    const careless = templateOf({ routingKey: `${queue}.missing`, properties: { correlationId: ID_SLOT } })
    const messages = Array.from({ length: 99 }, (_, index) => {
      const template = [routed, lost, careless][index % 3] as typeof routed
      return messageOf(template, index + 1, { values: [`${index + 1}`.padEnd(36, '-')] })
    })
    send(...messages)
    await answers.untilAnswered(99)

    expect(answers.numbers('refused')).toEqual(
      messages.map(({ number }) => number).filter((number) => number % 3 === 2),
    )
    expect(answers.numbers('confirmed')).toHaveLength(66)
    expect(answers.errorOf(2)).toMatchObject({
      code: 'ERR_UNROUTABLE',
      message: `no queue took the message for queue ${queue}.missing (312 NO_ROUTE)`,
      outcome: 'refused',
    })
    expect(channel.isUsable).toBe(true)
  })

  test('of twenty messages the one to a missing exchange is guilty, and the others are not', async () => {
    const queue = await declared()
    const { answers, send, channel, connection } = await open()
    const good = templateOf({ routingKey: queue })
    const messages = numbered(good, 20)
    messages[9] = messageOf(templateOf({ exchange: uniqueName('missing') }), 10)
    send(...messages)
    await answers.untilAnswered(20)

    expect(answers.numbers('refused')).toEqual([10])
    expect(answers.errorOf(10)).toMatchObject({
      code: 'ERR_CHANNEL_CLOSED',
      message: expect.stringMatching(/NOT_FOUND - no exchange 'missing\./),
      outcome: 'refused',
      retryable: false,
      cause: { code: 404 },
    })
    for (const number of answers.numbers('orphaned')) {
      expect(answers.errorOf(number)).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown', retryable: true })
    }
    // Those behind the guilty one were not stored.
    expect(answers.numbers('orphaned')).toEqual(expect.arrayContaining([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]))
    expect(channel.isOpen).toBe(false)
    expect(connection.isOpen).toBe(true)
  })

  rabbitmqTest('a bad expiration among others puts all under suspicion, and alone it is found guilty', async () => {
    const queue = await declared()
    const bad = templateOf({ routingKey: queue, properties: { expiration: 'soon' } })
    const first = await open()
    first.send(...numbered(bad, 2))
    await first.answers.untilAnswered(2)
    const error = first.answers.errorOf(1)

    expect(first.answers.numbers('orphaned')).toEqual([1, 2])
    expect(error).toMatchObject({ message: expect.stringMatching(/invalid expiration/), outcome: 'unknown' })
    expect(isSuspicion(error as never)).toBe(true)

    const second = await open()
    second.send(messageOf(bad, 1))
    await second.answers.untilAnswered(1)
    expect(second.answers.numbers('refused')).toEqual([1])
    expect(second.answers.errorOf(1)).toMatchObject({ outcome: 'refused', retryable: false })
  })

  rabbitmqTest('a message in the name of another user is refused', async () => {
    const { answers, send } = await open()
    send(messageOf(templateOf({ routingKey: await declared(), properties: { userId: 'somebody' } }), 1))
    await answers.untilAnswered(1)

    expect(answers.errorOf(1)).toMatchObject({
      code: 'ERR_CHANNEL_CLOSED',
      message: expect.stringMatching(/user_id property set to 'somebody'/),
      outcome: 'refused',
    })
  })

  test('another operation that fails on the channel makes no message guilty', async () => {
    const queue = await declared()
    const { raw, answers, send } = await open()
    const checked = raw.checkQueue(`${queue}.missing`)
    send(...numbered(templateOf({ routingKey: queue }), 3))
    await expect(checked).rejects.toThrow(/NOT_FOUND/)
    await answers.untilAnswered(3)

    expect(answers.numbers('orphaned')).toEqual([1, 2, 3])
    expect(answers.errorOf(1)).toMatchObject({ outcome: 'unknown', retryable: true })
  })

  test('messages and other operations of a channel keep their order', async () => {
    const queue = broker.queueName('order')
    const { raw, answers, send } = await open()
    const template = templateOf({ routingKey: queue, mandatory: true })
    send(messageOf(template, 1))
    const created = raw.assertQueue(queue, { durable: false })
    send(messageOf(template, 2))
    await created
    send(messageOf(template, 3))
    const { messageCount } = await raw.purgeQueue(queue)
    await answers.untilAnswered(3)

    expect(answers.numbers('refused')).toEqual([1])
    expect(messageCount).toBe(2)
  })

  test('headers that are too large are refused here, and the connection lives on', async () => {
    const queue = await declared()
    const url = Object.assign(new URL(broker.url), { search: '?frameMax=4096' }).href
    const { channel, answers, send, connection } = await open({ url })
    const large = templateOf({ routingKey: queue, properties: { headers: { note: 'x'.repeat(4_096) } } })

    expect(() => channel.write(messageOf(large, 1), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent' }),
    )
    send(messageOf(templateOf({ routingKey: queue }), 2))
    await answers.untilAnswered(1)
    expect(answers.answerTo(2)).toBe('confirmed')
    expect(connection.generation).toBe(1)
  })

  test('messages without a confirm in time are handed back, their fate unknown', async () => {
    const queue = await declared()
    const proxy = await openProxy()
    const { answers, send, channel, told } = await open({ url: proxy.url, confirmTimeoutMs: 100 })
    send(messageOf(templateOf({ routingKey: queue }), 1))
    await answers.untilAnswered(1)
    await proxy.set('black-hole-down')
    send(messageOf(templateOf({ routingKey: queue }), 2))
    await answers.untilAnswered(2)
    await proxy.set('pass')

    expect(answers.errorOf(2)).toMatchObject({
      code: 'ERR_CHANNEL_CLOSED',
      message: 'the channel was closed: no confirm in 100 ms',
      outcome: 'unknown',
      retryable: true,
    })
    // The close is not answered either, so that the connection must be of no use.
    expect(await told.next('lost')).toMatchObject({ reason: 'the broker did not answer the close of a channel' })
    expect(channel.isOpen).toBe(false)
    // The broker had it all the same.
    await until(async () => (await contentsOf(queue)).length > 0)
  })

  test('when the connection is reset, messages on their way are handed back with the reason', async () => {
    const queue = await declared()
    const proxy = await openProxy()
    const { answers, send, channel } = await open({ url: proxy.url })
    await proxy.set('delay', { ms: 200 })
    send(...numbered(templateOf({ routingKey: queue }), 3))
    await new Promise((resolve) => setImmediate(resolve))
    proxy.reset()
    await answers.untilAnswered(3)

    expect(answers.numbers('orphaned')).toEqual([1, 2, 3])
    expect(answers.errorOf(1)).toMatchObject({
      message: expect.stringMatching(/^the channel was lost: .*(ECONNRESET|EPIPE|Unexpected close)/),
      cause: expect.anything(),
      outcome: 'unknown',
    })
    expect(answers.closedCount).toBe(1)
    expect(channel.isOpen).toBe(false)
  })

  test('a broker that reads slowly fills no memory: the channel has no room until it has read', async () => {
    const queue = await declared()
    const proxy = await openProxy()
    const { answers, send, channel } = await open({ url: proxy.url, maxInFlight: 100_000, confirmTimeoutMs: 20_000 })
    await proxy.set('slow', { bytesPerSecond: 1_000 })
    const template = templateOf({ routingKey: queue })
    const body = Buffer.alloc(10_000)
    let sent = 0
    while (channel.room > 0 && sent < 5_000) {
      send(messageOf(template, ++sent, { body }))
      await new Promise((resolve) => setImmediate(resolve))
    }
    // Beside what the kernel holds.
    expect(sent).toBeLessThan(5_000)
    expect(channel.isFull).toBe(false)
    await proxy.set('pass')
    await answers.untilAnswered(sent)

    expect(answers.numbers('confirmed')).toHaveLength(sent)
    expect(channel.room).toBe(100_000)
  })

  test('a channel that retires closes after its last confirm, and its connection stays', async () => {
    const { answers, send, channel, connection } = await open()
    send(...numbered(templateOf({ routingKey: await declared() }), 100))
    channel.retire('old')
    await until(() => answers.closedCount === 1)

    expect(answers.numbers('confirmed')).toHaveLength(100)
    expect(connection).toMatchObject({ generation: 1, isOpen: true })
  })

  test('however a channel is closed, the others of its connection live on', async () => {
    const queue = await declared()
    const { connection, channel, told } = await open()
    const other = newChannel(await connection.openChannel(), connection, { fastPath })
    const template = templateOf({ routingKey: queue })
    channel.write(messageOf(template, 1), 0)
    const ends = [channel.destroy('once'), channel.destroy('twice')]
    channel.flush()
    await Promise.all(ends)
    const { raw } = newChannel(await connection.openChannel(), connection, { fastPath }).channel
    await raw.checkQueue(queue)
    other.channel.write(messageOf(template, 2), 0)
    other.channel.flush()
    await other.answers.untilAnswered(1)

    expect(other.answers.answerTo(2)).toBe('confirmed')
    expect(told.events.map(({ name }) => name)).toEqual(['opened'])
  })
})

describe('a tracer', () => {
  /** Puts a wrapper around a method, as tracing libraries do, until it is taken off. */
  function wrap(target: object, name: string): { calls: number } & Disposable {
    const own = Reflect.get(target, name) as (...args: unknown[]) => unknown
    const wasOwn = Object.hasOwn(target, name)
    const wrapper = {
      calls: 0,
      [Symbol.dispose]: () => {
        if (wasOwn) Reflect.set(target, name, own)
        else Reflect.deleteProperty(target, name)
      },
    }
    const patched = function (this: unknown, ...args: unknown[]) {
      wrapper.calls++
      return own.apply(this, args)
    }
    Object.defineProperty(target, name, { value: patched, configurable: true, writable: true })
    return wrapper
  }

  const prototypes: [string, (raw: RawChannel) => object][] = [
    ['confirm channels', (raw) => Object.getPrototypeOf(raw)],
    ['all channels', (raw) => Object.getPrototypeOf(Object.getPrototypeOf(raw))],
    ['one channel', (raw) => raw],
  ]

  test.each(prototypes)('that wraps the publish of %s is noticed on an open channel', async (_, target) => {
    const { connection } = await openConnection(broker.url)
    const raw = await connection.openChannel()
    const { channel } = newChannel(raw, connection)
    expect(channel).toMatchObject({ isFast: true, isBypassed: false })
    {
      using _wrapper = wrap(target(raw), 'publish')
      expect(channel.isBypassed).toBe(true)
    }
    expect(channel.isBypassed).toBe(false)
  })

  test.each(prototypes)('that has wrapped the publish of %s sees every message of a new channel', async (_, target) => {
    const queue = await declared()
    const { connection } = await openConnection(broker.url)
    const raw = await connection.openChannel()
    using wrapper = wrap(target(raw), 'publish')
    const { channel, answers } = newChannel(raw, connection)
    expect(channel).toMatchObject({ isFast: false, isBypassed: false })
    for (let number = 1; number <= 3; number++) channel.write(messageOf(templateOf({ routingKey: queue }), number), 0)
    channel.flush()
    await answers.untilAnswered(3)

    expect(wrapper.calls).toBe(3)
    expect(answers.numbers('confirmed')).toEqual([1, 2, 3])
  })
})

test('an amqplib of another shape is used by its public publish', async () => {
  const queue = await declared()
  const { connection } = await openConnection(broker.url)
  const raw = await connection.openChannel()
  const { connection: inner } = raw as unknown as { connection: object }
  for (const name of ['sendBytes', 'muxer', 'channels', 'frameMax', 'stream', 'sentSinceLastCheck']) {
    const own = Object.getOwnPropertyDescriptor(inner, name)
    Object.defineProperty(inner, name, { value: undefined, configurable: true, writable: true })
    expect(newChannel(raw, connection).channel.isFast).toBe(false)
    if (own === undefined) Reflect.deleteProperty(inner, name)
    else Object.defineProperty(inner, name, own)
  }
  const { channel, answers } = newChannel(raw, connection)
  expect(channel.isFast).toBe(true)
  channel.write(messageOf(templateOf({ routingKey: queue }), 1), 0)
  channel.flush()
  await answers.untilAnswered(1)
})
