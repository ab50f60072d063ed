import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { type Channel, type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib'
import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'
import type { PoolOptions } from '../../lib/options.ts'
import type { ProducerPool } from '../../lib/pool/producer-pool.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makePool, makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { startScript } from '../support/script.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  /** A connection over a pool, and a channel of it. */
  async function open(
    options: PoolOptions = {},
  ): Promise<{ pool: ProducerPool; connection: ChannelModel; channel: ConfirmChannel }> {
    const pool = makePool({ broker: broker.url, fastPath, maxChannels: 2, ...options })
    const connection = withPooledProducer(await connect(broker.url, { noDelay: true }), pool)
    afterTest(() => connection.close())
    return { pool, connection, channel: await connection.createConfirmChannel() }
  }

  describe('publish', () => {
    test('calls back with null once the broker has the message', async () => {
      const { channel } = await open()
      const queue = await queues.declare()

      const error = await new Promise((resolve) => channel.sendToQueue(queue, Buffer.from('hello'), {}, resolve))

      expect(error).toBeNull()
      expect(await queues.bodies(queue)).toEqual(['hello'])
    })

    test('keeps the order of 5,000 messages', async () => {
      const { channel } = await open({ maxInFlight: 100 })
      const queue = await queues.declare()
      const bodies = Array.from({ length: 5_000 }, (_, index) => `${index}`)

      for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body))
      await channel.waitForConfirms()

      expect((await queues.take(queue, bodies.length)).map(({ content }) => content.toString())).toEqual(bodies)
    })

    test('carries the properties and headers that amqplib would send', async () => {
      const { channel } = await open()
      const queue = await queues.declare()
      const plain = await queues.declare()
      const options = {
        persistent: true,
        expiration: 60_000,
        priority: 3,
        contentType: 'text/plain',
        contentEncoding: 'utf-8',
        correlationId: 'c',
        replyTo: 'r',
        messageId: 'm',
        timestamp: 1_700_000_000,
        type: 't',
        userId: undefined as never,
        appId: 'a',
        headers: { text: 'été', number: 1, list: [1, 'two', null], table: { a: true } },
        // Not a property: amqplib ignores it.
        immediate: true,
      }

      channel.sendToQueue(queue, Buffer.from('hello'), options)
      queues.channel.sendToQueue(plain, Buffer.from('hello'), options)

      const [[own], [amqplibs]] = await Promise.all([queues.take(queue, 1), queues.take(plain, 1)])
      expect(own?.properties).toEqual(amqplibs?.properties)
      expect(own?.properties).toMatchObject({ deliveryMode: 2, expiration: '60000' })
    })

    test.each<[string, object, number | undefined]>([
      ['persistent: true', { persistent: true }, 2],
      ['persistent: false', { persistent: false }, 1],
      ['deliveryMode: true', { deliveryMode: true }, 2],
      ['deliveryMode: false', { deliveryMode: false }, undefined],
      ['deliveryMode: 2', { deliveryMode: 2 }, 2],
      ['neither', {}, undefined],
      ['both', { persistent: false, deliveryMode: 2 }, 1],
    ])('takes %s as amqplib does', async (_, options, deliveryMode) => {
      const { channel } = await open()
      const queue = await queues.declare()

      channel.sendToQueue(queue, Buffer.from('hello'), options)

      const [message] = await queues.take(queue, 1)
      expect(message?.properties.deliveryMode).toBe(deliveryMode)
    })

    rabbitmqTest('sends copies to CC and BCC', async () => {
      const { channel } = await open()
      const [to, copy, blind] = [await queues.declare(), await queues.declare(), await queues.declare()]

      channel.publish('', to, Buffer.from('hello'), { CC: copy, BCC: [blind], headers: { CC: ['overwritten'] } })
      await channel.waitForConfirms()

      const messages = await Promise.all([to, copy, blind].map((queue) => queues.take(queue, 1)))
      expect(messages.map(([message]) => message?.content.toString())).toEqual(['hello', 'hello', 'hello'])
      expect(messages[0]?.[0]?.properties.headers).toEqual({ CC: [copy] })
    })

    test('sends on what was received, properties and all', async () => {
      const { channel } = await open()
      const [from, to] = [await queues.declare(), await queues.declare()]
      queues.channel.sendToQueue(from, Buffer.from('hello'), { type: 'greeting', headers: { a: 1 }, persistent: true })
      const [message] = (await queues.take(from, 1)) as [ConsumeMessage]

      channel.sendToQueue(to, message.content, message.properties)
      await channel.waitForConfirms()

      const [copy] = await queues.take(to, 1)
      expect(copy?.properties).toEqual(message.properties)
    })

    test('takes null and nothing for options', async () => {
      const { channel } = await open()
      const queue = await queues.declare()

      channel.sendToQueue(queue, Buffer.from('1'))
      channel.sendToQueue(queue, Buffer.from('2'), null as never)
      await channel.waitForConfirms()

      expect(await queues.bodies(queue)).toEqual(['1', '2'])
    })

    test('copies the content: the buffer can be used again', async () => {
      const { channel } = await open()
      const queue = await queues.declare()
      const content = Buffer.from('first')

      channel.sendToQueue(queue, content)
      content.fill('x')
      await channel.waitForConfirms()

      expect(await queues.bodies(queue)).toEqual(['first'])
    })

    test.each<[string, unknown[], string]>([
      ['content that is no Buffer', ['', 'q', 'text'], 'content must be a Buffer, got "text"'],
      ['no content', ['', 'q'], 'content must be a Buffer, got undefined'],
      ['a routing key that is no string', ['', 5, Buffer.alloc(0)], 'routingKey must be a string, got 5'],
      ['a routing key that is too long', ['', 'q'.repeat(256), Buffer.alloc(0)], '255 bytes at most'],
      ['an exchange that is no string', [null, 'q', Buffer.alloc(0)], 'exchange must be a string, got null'],
      ['a priority above 255', ['', 'q', Buffer.alloc(0), { priority: 256 }], 'priority must be an integer'],
      ['a type that is no string', ['', 'q', Buffer.alloc(0), { type: 5 }], 'type must be a string, got 5'],
      ['headers that AMQP cannot hold', ['', 'q', Buffer.alloc(0), { headers: { a: 1n } }], 'headers'],
    ])('throws at once for %s, and the channel is unharmed', async (_, args, message) => {
      const { channel, pool } = await open()
      const queue = await queues.declare()

      expect(() => channel.publish(...(args as Parameters<Channel['publish']>))).toThrow(message)

      channel.sendToQueue(queue, Buffer.from('hello'))
      await channel.waitForConfirms()
      expect(await queues.depth(queue)).toBe(1)
      expect(pool.stats()).toMatchObject({ channelsOpened: 1, publishes: 1 })
    })

    test('of a mandatory message that no queue took emits return before it calls back', async () => {
      const { channel } = await open()
      const events: unknown[] = []
      channel.on('return', (message) => events.push(message))
      const key = queues.name()

      const options = { mandatory: true, messageId: 'm', headers: { a: 1 } }
      const error = await new Promise((resolve) => {
        channel.publish('', key, Buffer.from('nowhere'), options, (error) => {
          events.push('confirm')
          resolve(error)
        })
      })

      expect(error).toBeNull()
      expect(events).toEqual([
        {
          fields: { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: key },
          properties: { messageId: 'm', headers: { a: 1 } },
          content: Buffer.from('nowhere'),
        },
        'confirm',
      ])
      await expect(channel.waitForConfirms()).resolves.toBeUndefined()
    })

    test('of a message that no queue took and that need not be taken calls back with null', async () => {
      const { channel } = await open()

      const error = await new Promise((resolve) => channel.publish('', queues.name(), Buffer.alloc(0), {}, resolve))

      expect(error).toBeNull()
    })

    test('counts in the ledger of the pool', async () => {
      const { channel, pool } = await open()
      const queue = await queues.declare()

      for (let index = 0; index < 10; index++) channel.sendToQueue(queue, Buffer.from(`${index}`))
      await channel.waitForConfirms()

      expect(pool.stats()).toMatchObject({ publishes: 10, confirms: 10, inFlight: 0, bufferedBytes: 0 })
    })
  })

  describe('waitForConfirms', () => {
    test('resolves at once when nothing is unconfirmed', async () => {
      const { channel } = await open()

      await expect(channel.waitForConfirms()).resolves.toBeUndefined()
    })

    test('resolves after the callbacks of all that was published', async () => {
      const { channel } = await open()
      const queue = await queues.declare()
      let confirms = 0
      for (let index = 0; index < 100; index++) channel.sendToQueue(queue, Buffer.from('x'), {}, () => confirms++)

      await channel.waitForConfirms()

      expect(confirms).toBe(100)
      expect(await queues.depth(queue)).toBe(100)
    })

    test('rejects with the error of a message that the broker did not take, as its callback does', async () => {
      const { channel } = await open()
      channel.on('error', () => {})
      const exchange = queues.name()
      const failure = new Promise((resolve) => channel.publish(exchange, 'k', Buffer.alloc(0), {}, resolve))

      await expect(channel.waitForConfirms()).rejects.toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'refused' })
      expect(await failure).toMatchObject({ message: expect.stringContaining(`no exchange '${exchange}'`) })
    })
  })

  describe('the other operations', () => {
    test("are amqplib's own, with its answers", async () => {
      const { channel } = await open()
      const [queue, exchange, other] = [queues.name(), queues.name(), queues.name()]

      expect(await channel.assertQueue(queue, { durable: false })).toEqual({ queue, messageCount: 0, consumerCount: 0 })
      expect(await channel.assertExchange(exchange, 'topic', { durable: false })).toEqual({ exchange })
      await channel.assertExchange(other, 'fanout', { durable: false })
      await channel.checkExchange(exchange)
      await channel.bindQueue(queue, exchange, 'a.*')
      await channel.bindExchange(exchange, other, '')
      channel.publish(other, 'a.b', Buffer.from('hello'))
      await channel.waitForConfirms()
      expect(await channel.checkQueue(queue)).toEqual({ queue, messageCount: 1, consumerCount: 0 })
      await channel.unbindExchange(exchange, other, '')
      await channel.unbindQueue(queue, exchange, 'a.*')
      expect(await channel.purgeQueue(queue)).toEqual({ messageCount: 1 })
      await channel.deleteExchange(exchange)
      await channel.deleteExchange(other)
      expect(await channel.deleteQueue(queue)).toEqual({ messageCount: 0 })
    })

    test('leave the channel as it was: it is used again', async () => {
      const { channel, connection, pool } = await open({ maxChannels: 1 })
      const queue = queues.name()
      await channel.assertQueue(queue)
      await channel.purgeQueue(queue)
      await channel.close()

      const next = await connection.createChannel()
      await next.checkQueue(queue)
      await next.close()

      expect(pool.stats()).toMatchObject({ channelsOpened: 1, channelsClosed: 0, leases: 2 })
    })

    test('go out after what was published before them', async () => {
      const { channel } = await open()
      const queue = await queues.declare()

      for (let index = 0; index < 500; index++) channel.sendToQueue(queue, Buffer.from(`${index}`))
      expect(await channel.purgeQueue(queue)).toEqual({ messageCount: 500 })
    })

    test('go out after what was published before them, also beyond the window', async () => {
      const { channel } = await open({ maxInFlight: 10 })
      const queue = await queues.declare()

      for (let index = 0; index < 500; index++) channel.sendToQueue(queue, Buffer.from(`${index}`))
      expect(await channel.purgeQueue(queue)).toEqual({ messageCount: 500 })
    })

    test('go out before what is published after them, without being awaited', async () => {
      const { channel } = await open()
      const queue = queues.name()
      const returns: unknown[] = []
      channel.on('return', (message) => returns.push(message))

      const asserting = channel.assertQueue(queue)
      channel.sendToQueue(queue, Buffer.from('hello'), { mandatory: true })
      await channel.waitForConfirms()
      await asserting

      expect(returns).toEqual([])
      expect(await queues.depth(queue)).toBe(1)
    })
  })

  describe('a channel that its borrower left dirty is closed, not used again', () => {
    test.each<[string, (channel: Channel, queue: string) => Promise<unknown>]>([
      ['a consumer', (channel, queue) => channel.consume(queue, () => {})],
      [
        'a consumer that was cancelled',
        async (channel, queue) => {
          const { consumerTag } = await channel.consume(queue, () => {})
          await channel.cancel(consumerTag)
        },
      ],
      ['a prefetch', (channel) => channel.prefetch(10)],
      ['a message got', (channel, queue) => channel.get(queue)],
      ['a message acknowledged', async (channel, queue) => channel.ack((await channel.get(queue)) as never)],
      ['a message refused', async (channel, queue) => channel.nack((await channel.get(queue)) as never)],
      ['a recover', (channel) => channel.recover()],
    ])('%s', async (_, soil) => {
      const { channel, connection, pool } = await open({ maxChannels: 1 })
      const queue = await queues.declare()
      channel.sendToQueue(queue, Buffer.from('hello'))
      await channel.waitForConfirms()
      await soil(channel, queue)
      await channel.close()

      expect(pool.stats()).toMatchObject({ channelsClosed: 1, leased: 0 })
      const next = await connection.createChannel()
      next.sendToQueue(queue, Buffer.from('next'))
      await next.close()
      expect(pool.stats()).toMatchObject({ channelsOpened: 2, channelsClosed: 1, confirms: 2 })
    })

    test('and what it took and did not acknowledge is back in its queue when close resolves', async () => {
      const { channel } = await open()
      const queue = await queues.declare()
      channel.sendToQueue(queue, Buffer.from('hello'))
      await channel.waitForConfirms()
      const received: (string | undefined)[] = []
      await channel.consume(queue, (message) => received.push(message?.content.toString()))
      await until(() => received.length === 1)

      await channel.close()

      expect(await queues.depth(queue)).toBe(1)
    })

    test('and what it published last arrives all the same, in order', async () => {
      const { channel, pool } = await open({ maxInFlight: 10 })
      const queue = await queues.declare()
      await channel.prefetch(1)
      const bodies = Array.from({ length: 500 }, (_, index) => `${index}`)

      for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body))
      await channel.close()

      expect(await queues.bodies(queue)).toEqual(bodies)
      expect(pool.stats()).toMatchObject({ confirms: 500, retries: 0 })
    })
  })

  describe('a channel that the broker closes', () => {
    test('gives the guilty publish the error, emits error and close, and the next channel works', async () => {
      const { channel, connection, pool } = await open()
      const queue = await queues.declare()
      const exchange = queues.name()
      const events: string[] = []
      channel.on('error', (error) => events.push(error.message))
      channel.on('close', () => events.push('close'))
      const outcomes: unknown[] = []

      channel.sendToQueue(queue, Buffer.from('innocent'), {}, (error) => outcomes.push(error))
      channel.publish(exchange, 'k', Buffer.from('guilty'), {}, (error) => outcomes.push(error?.message))
      await until(() => outcomes.length === 2)

      expect(new Set(outcomes)).toEqual(new Set([null, expect.stringContaining(`404 (NOT-FOUND)`)]))
      await until(() => events.length === 2)
      expect(events).toEqual([expect.stringContaining(`no exchange '${exchange}'`), 'close'])
      expect(() => channel.sendToQueue(queue, Buffer.alloc(0))).toThrow(
        expect.objectContaining({ code: 'ERR_PRODUCER_RELEASED' }),
      )
      const next = await connection.createConfirmChannel()
      next.sendToQueue(queue, Buffer.from('next'))
      await next.waitForConfirms()
      await next.close()
      expect(new Set(await queues.bodies(queue))).toEqual(new Set(['innocent', 'next']))
      await until(() => pool.stats().leased === 0)
    })

    test('rejects the operation that it closed it for', async () => {
      const { channel, connection } = await open()
      const queue = queues.name()
      const closed = new Promise((resolve) => channel.once('close', resolve))

      await expect(channel.checkQueue(queue)).rejects.toMatchObject({ code: 404 })
      await closed
      await expect(channel.checkQueue(queue)).rejects.toMatchObject({ code: 'ERR_PRODUCER_RELEASED' })
      await (await connection.createChannel()).close()
    })

    test('needs no close of its own: its lease is over, and close resolves when it comes all the same', async () => {
      const { channel, pool } = await open({ maxChannels: 1 })
      await expect(channel.checkQueue(queues.name())).rejects.toMatchObject({ code: 404 })
      let closes = 0
      channel.on('close', () => closes++)

      await until(() => pool.stats().leased === 0)
      await channel.close()

      expect(closes).toBeLessThanOrEqual(1)
      const producer = await pool.acquire()
      producer.release()
    })

    test('is never reported as a lease that is held for long', async () => {
      const log = new RecordedLog()
      const { channel } = await open({ logger: log, leaseWarnMs: 1_000 })
      await expect(channel.checkQueue(queues.name())).rejects.toMatchObject({ code: 404 })
      const other = await open({ logger: log, leaseWarnMs: 1_000 })

      // The other lease is held, and taken later: by its report the first one's would have come.
      await until(() => log.of('lease.held').length > 0)

      expect(log.of('lease.held')).toHaveLength(1)
      await other.channel.close()
    })
  })

  test('a lost connection closes the channel, and its messages go out on another', async () => {
    const proxy = await makeProxy(broker.url)
    const { channel, connection } = await open({ broker: proxy.url })
    const queue = await queues.declare()
    const closed = once(channel, 'close')
    await proxy.set('black-hole')
    const confirm = new Promise((resolve) => channel.sendToQueue(queue, Buffer.from('hello'), {}, resolve))
    await new Promise(setImmediate)

    await proxy.set('pass')
    proxy.reset()
    await closed

    expect(await confirm).toBeNull()
    expect(await queues.bodies(queue)).toContain('hello')
    const next = await connection.createConfirmChannel()
    next.sendToQueue(queue, Buffer.from('next'))
    await next.waitForConfirms()
    await next.close()
  })

  describe('close', () => {
    test('gives the channel back before what was published is confirmed', async () => {
      const proxy = await makeProxy(broker.url)
      const { channel, connection, pool } = await open({ broker: proxy.url, maxChannels: 1 })
      const queue = await queues.declare()
      await proxy.set('delay', { ms: 60_000 })
      let isClosed = false
      channel.sendToQueue(queue, Buffer.from('1'))
      const closing = channel.close().then(() => {
        isClosed = true
      })

      const next = await connection.createConfirmChannel()
      next.sendToQueue(queue, Buffer.from('2'))
      expect(isClosed).toBe(false)
      await proxy.set('pass')

      await Promise.all([closing, next.close()])
      expect(await queues.bodies(queue)).toEqual(['1', '2'])
      expect(pool.stats()).toMatchObject({ channelsOpened: 1, leases: 2 })
    })

    test('resolves after the confirm callbacks, and after its event', async () => {
      const { channel } = await open()
      const queue = await queues.declare()
      const events: string[] = []
      channel.on('close', () => events.push('close'))
      channel.sendToQueue(queue, Buffer.from('hello'), {}, () => events.push('confirm'))

      await channel.close()

      expect(events).toEqual(['confirm', 'close'])
    })

    test('keeps the order of what was published, also beyond the window', async () => {
      const { channel } = await open({ maxInFlight: 10, maxChannels: 4 })
      const queue = await queues.declare()
      const bodies = Array.from({ length: 500 }, (_, index) => `${index}`)

      for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body))
      await channel.close()

      expect(await queues.bodies(queue)).toEqual(bodies)
    })

    test('resolves when a message failed: that is for its callback', async () => {
      const { channel, connection } = await open()
      const failure = new Promise((resolve) => channel.publish(queues.name(), 'k', Buffer.alloc(0), {}, resolve))

      await channel.close()

      expect(await failure).toMatchObject({ code: 'ERR_CHANNEL_CLOSED' })
      await (await connection.createChannel()).close()
    })

    test('a second time rejects, and harms neither the lease of another nor the process', async () => {
      const { channel, connection, pool } = await open({ maxChannels: 1 })
      await channel.close()
      const next = await connection.createChannel()

      void channel.close()
      await expect(channel.close()).rejects.toMatchObject({ code: 'ERR_PRODUCER_RELEASED' })

      expect(pool.stats().leased).toBe(1)
      await next.checkExchange('amq.direct')
      await next.close()
    })

    test('ends all else that the channel can do, though its new borrower goes on', async () => {
      const { channel, connection } = await open({ maxChannels: 1 })
      const queue = await queues.declare()
      await channel.close()
      const next = await connection.createConfirmChannel()
      const released = { code: 'ERR_PRODUCER_RELEASED' }

      expect(() => channel.sendToQueue(queue, Buffer.alloc(0))).toThrow(expect.objectContaining(released))
      expect(() => channel.ackAll()).toThrow(expect.objectContaining(released))
      await expect(channel.assertQueue(queue)).rejects.toMatchObject(released)
      await expect(channel.consume(queue, () => {})).rejects.toMatchObject(released)

      next.sendToQueue(queue, Buffer.from('next'))
      await next.close()
      expect(await queues.bodies(queue)).toEqual(['next'])
    })

    test('leaves no listener behind on the kept channel', async () => {
      const { channel, connection, pool } = await open({ maxChannels: 1 })
      await channel.close()
      const listeners = async (): Promise<number[]> =>
        pool.use(({ channel: { raw } }) => raw.eventNames().map((name) => raw.listenerCount(name)))
      const before = await listeners()

      for (let index = 0; index < 100; index++) await (await connection.createChannel()).close()

      expect(await listeners()).toEqual(before)
    })
  })

  describe('backpressure', () => {
    test('publish is false once the window is full, and drain comes when there is room again', async () => {
      const { channel } = await open({ maxInFlight: 100 })
      const queue = await queues.declare()
      let count = 0
      do count++
      while (channel.sendToQueue(queue, Buffer.from('x')))
      expect(count).toBe(100)

      await once(channel, 'drain')

      expect(channel.sendToQueue(queue, Buffer.from('x'))).toBe(true)
      await channel.waitForConfirms()
      expect(await queues.depth(queue)).toBe(101)
    })

    test('code that waits for drain is never refused, however large its messages', async () => {
      const { channel, pool } = await open({ maxBufferedBytes: 2 ** 20, maxChannels: 1 })
      const queue = await queues.declare({ durable: false })
      const body = Buffer.alloc(100_000, 'x')
      const errors: unknown[] = []
      let largest = 0

      for (let index = 0; index < 100; index++) {
        const hasRoom = channel.sendToQueue(queue, body, {}, (error) => error && errors.push(error))
        largest = Math.max(largest, pool.stats().bufferedBytes)
        if (!hasRoom) await once(channel, 'drain')
      }
      await channel.waitForConfirms()

      expect(errors).toEqual([])
      expect(largest).toBeLessThanOrEqual(2 ** 20 + body.length)
      expect(await queues.depth(queue)).toBe(100)
    })

    test('a stopped broker makes it false, and never throws', async () => {
      const proxy = await makeProxy(broker.url)
      const { channel } = await open({ broker: proxy.url, maxInFlight: 50 })
      const queue = await queues.declare()
      await proxy.set('delay', { ms: 60_000 })

      const answers = Array.from({ length: 60 }, () => channel.sendToQueue(queue, Buffer.from('x')))

      expect(answers).toEqual([...Array(49).fill(true), ...Array(11).fill(false)])
      const drained = once(channel, 'drain')
      await proxy.set('pass')
      await drained
      await channel.waitForConfirms()
      expect(await queues.depth(queue)).toBe(60)
    })
  })
})

test('with no listener and nothing awaited, no fault of a channel ends the process', async () => {
  const script = startScript(`
    import { connect } from 'amqplib'
    import { createProducerPool } from '../../lib/pool/producer-pool.ts'
    import { withPooledProducer } from '../../lib/middleware/with-pooled-producer.ts'

    const url = process.env.TEST_BROKER_URL
    const pool = createProducerPool({ broker: url, logger: false })
    const connection = withPooledProducer(await connect(url), pool)
    const channel = await connection.createConfirmChannel()
    channel.publish('no.such.exchange', 'k', Buffer.from('x'))
    await channel.waitForConfirms().catch(() => {})
    const other = await connection.createChannel()
    await other.checkQueue('no.such.queue').catch(() => {})
    other.close()
    other.close()
    const third = await connection.createChannel()
    third.publish('', 'nowhere', Buffer.from('x'), { mandatory: true })
    third.publish('no.such.exchange', 'k', Buffer.from('x'))
    third.close()
    third.close()
    await pool.drain()
    await new Promise(setImmediate)
    await pool.close()
    console.log('alive')
    process.exit(0)
  `)
  afterTest(() => script.process.kill('SIGKILL'))

  expect(await script.nextLine()).toBe('alive')
  expect(await script.ended).toEqual({ code: 0, signal: null })
})
