import { afterEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isSuspicion } from '../../lib/amqp/channel-errors.ts'
import { ID_SLOT, textSlot } from '../../lib/amqp/template-fields.ts'
import { until } from '../support/condition.ts'
import { WRITE_PATHS } from '../support/write-paths.ts'
import {
  closeConnections,
  messageOf,
  newChannel,
  openConnection,
  type TestChannel,
  templateOf,
} from './recorded-owners.ts'
import { ScriptedChannel } from './scripted-channel.ts'
import { CHANNEL_1, startScriptedServer } from './scripted-server.ts'

const opened: { script: ScriptedChannel; channel: TestChannel['channel'] }[] = []

afterEach(async () => {
  // What waits for an answer would hold the process.
  for (const { script, channel } of opened.splice(0)) if (channel.isOpen) script.lose()
  await closeConnections()
})

// What the broker answers is scripted here; confirm-channel.test.ts has the answers of a real one, and
// confirm-channel-time.test.ts those that do not come.
describe.each(WRITE_PATHS)('with %s', (_, fastPath) => {
  const template = templateOf({ routingKey: 'q' })

  function open(settings: { maxInFlight?: number; confirmTimeoutMs?: number } = {}) {
    const script = new ScriptedChannel()
    const { channel, answers } = newChannel(script.raw, script.connection, { fastPath, ...settings })
    opened.push({ script, channel })
    /** Writes messages with the numbers from one to another, which are also their tags, and sends them. */
    const send = (from: number, to: number): void => {
      for (let number = from; number <= to; number++) channel.write(messageOf(template, number), performance.now())
      channel.flush()
    }
    return { script, channel, answers, send }
  }

  test('it is what it is asked to be', () => {
    const { script, channel } = open()

    expect(channel).toMatchObject({ isFast: fastPath, isBypassed: false, isOpen: true, isUsable: true })
    expect(channel.raw).toBe(script.raw)
  })

  test('an ack confirms its message and no other', () => {
    const { script, channel, answers, send } = open()
    send(1, 3)
    script.ack(2)

    expect(answers.order).toEqual([2])
    expect(answers.answerTo(2)).toBe('confirmed')
    expect(answers.confirmMs[0]).toBeGreaterThanOrEqual(0)
    expect(channel).toMatchObject({ inFlight: 2, publishes: 3 })
  })

  test('a multiple ack confirms all up to its own, oldest first', () => {
    const { script, channel, answers, send } = open()
    send(1, 10)
    script.ack(3)
    script.ack(7, true)

    expect(answers.order).toEqual([3, 1, 2, 4, 5, 6, 7])
    expect(channel.inFlight).toBe(3)
  })

  test('a multiple nack refuses all up to its own', () => {
    const { script, answers, send } = open()
    send(1, 3)
    script.nack(2, true)

    expect(answers.numbers('refused')).toEqual([1, 2])
    expect(answers.errorOf(1)).toMatchObject({
      code: 'ERR_NACKED',
      message: 'the broker refused the message for queue q (basic.nack)',
      outcome: 'refused',
      retryable: true,
    })
  })

  test('whatever order the answers come in, every message gets its own, once', () => {
    const answer = fc.record({
      place: fc.double({ min: 0, max: 1.2, noNaN: true }),
      multiple: fc.boolean(),
      isAck: fc.boolean(),
    })
    const turn = fc.record({ count: fc.nat(30), answers: fc.array(answer, { maxLength: 20 }) })
    const property = fc.property(fc.array(turn, { maxLength: 10 }), (turns) => {
      const { script, channel, answers, send } = open()
      const expected = new Map<number, boolean>()
      let sent = 0
      for (const { count, answers: given } of turns) {
        send(sent + 1, sent + count)
        sent += count
        for (const { place, multiple, isAck } of given) {
          const tag = Math.ceil(place * sent)
          // A broker never names a tag that was not given, nor one twice.
          if (tag < 1 || tag > sent || expected.has(tag)) continue
          for (let each = multiple ? 1 : tag; each <= tag; each++) if (!expected.has(each)) expected.set(each, isAck)
          if (isAck) script.ack(tag, multiple)
          else script.nack(tag, multiple)
        }
        expect(channel.inFlight).toBe(sent - expected.size)
      }
      expect(answers.numbers('confirmed')).toEqual(
        [...expected.keys()].filter((tag) => expected.get(tag)).sort((a, b) => a - b),
      )
      expect(answers.numbers('refused')).toEqual(
        [...expected.keys()].filter((tag) => !expected.get(tag)).sort((a, b) => a - b),
      )
    })
    fc.assert(property, { numRuns: 100 })
  })

  test('answers from a socket reach their messages, those to frames encoded ahead without an event of amqplib’s', async () => {
    await using server = await startScriptedServer({
      ...CHANNEL_1,
      BasicPublish: (times) => {
        const [name, more] = times === 1 ? ['BasicAck', {}] : ['BasicNack', { requeue: false }]
        return [{ name, channel: 1, fields: { deliveryTag: times, multiple: false, ...more } }]
      },
    })
    const { connection } = await openConnection(server.url)
    const raw = await connection.openChannel()
    const { channel, answers } = newChannel(raw, connection, { fastPath })
    for (let number = 1; number <= 2; number++) channel.write(messageOf(template, number), 0)
    channel.flush()
    await answers.untilAnswered(2)

    expect(answers.answerTo(1)).toBe('confirmed')
    expect(answers.errorOf(2)?.code).toBe('ERR_NACKED')
    expect(raw.listenerCount('ack') + raw.listenerCount('nack') === 0).toBe(fastPath)
  })

  test('an answer that comes twice, or to a message never sent, changes nothing', () => {
    const { script, channel, answers, send } = open()
    send(1, 2)
    script.ack(1)
    script.raw.emit('ack', { deliveryTag: 1, multiple: false })
    script.raw.emit('nack', { deliveryTag: 1, multiple: true })
    script.raw.emit('ack', { deliveryTag: 99, multiple: false })

    expect(answers.order).toEqual([1])
    expect(channel.inFlight).toBe(1)
  })

  test('a multiple ack of tag 0 confirms all', () => {
    const { script, channel, answers, send } = open()
    send(1, 5)
    script.raw.emit('ack', { deliveryTag: 0, multiple: true })

    expect(answers.numbers('confirmed')).toEqual([1, 2, 3, 4, 5])
    expect(channel.inFlight).toBe(0)
  })

  test('neither amqplib’s own list of confirms nor its listeners grow with 10,000 publishes acked out of order', async () => {
    const { script, channel, answers, send } = open()
    const listeners = (): number[] => script.raw.eventNames().map((name) => script.raw.listenerCount(name as string))
    const before = listeners()
    for (let tag = 1; tag <= 10_000; tag += 4) {
      send(tag, tag + 3)
      // As two queues of different speed have it.
      script.ack(tag + 2)
      script.ack(tag + 1, true)
      script.ack(tag + 3)
      if (tag % 1_000 === 1) await script.taken()
    }

    expect(answers.numbers('confirmed')).toHaveLength(10_000)
    expect(channel).toMatchObject({ inFlight: 0, publishes: 10_000 })
    expect(script.raw.unconfirmed.length).toBeLessThanOrEqual(1)
    expect(listeners()).toEqual(before)
  })

  describe('a returned message', () => {
    const route = { exchange: '', routingKey: 'q' }
    const cases: [string, Parameters<typeof templateOf>[0], object][] = [
      [
        'the id that each message has',
        { properties: { correlationId: ID_SLOT } },
        { correlationId: 'id-3'.padEnd(36, '-') },
      ],
      ['its correlation id', { properties: { correlationId: 'shared' } }, { correlationId: 'shared' }],
      ['its message id', { properties: { messageId: 'm' } }, { messageId: 'm' }],
      ['its route alone', {}, {}],
    ]

    test.each(cases)('is told by %s', (_, fields, properties) => {
      const { script, channel, answers } = open()
      const own = templateOf({ routingKey: 'q', mandatory: true, ...fields })
      const others = [
        templateOf({ routingKey: 'q', ...fields }),
        templateOf({ routingKey: 'other', mandatory: true, ...fields }),
        own,
        templateOf({ exchange: 'e', routingKey: 'q', mandatory: true, ...fields }),
      ]
      others.forEach((each, index) => {
        channel.write(messageOf(each, index + 1, { values: [`id-${index + 1}`.padEnd(36, '-')] }), 0)
      })
      channel.flush()
      script.return(route, properties)
      script.ack(4, true)

      expect(answers.numbers('refused')).toEqual([3])
      expect(answers.numbers('confirmed')).toEqual([1, 2, 4])
      expect(answers.errorOf(3)).toMatchObject({
        code: 'ERR_UNROUTABLE',
        message: 'no queue took the message for queue q (312 NO_ROUTE)',
        outcome: 'refused',
        retryable: false,
      })
    })

    test('is the next of those that are alike', () => {
      const { script, channel, answers } = open()
      const own = templateOf({ exchange: 'e', routingKey: 'k', mandatory: true })
      for (let number = 1; number <= 3; number++) channel.write(messageOf(own, number), 0)
      channel.flush()
      script.return({ exchange: 'e', routingKey: 'k' })
      script.return({ exchange: 'e', routingKey: 'k' })
      script.ack(3, true)

      expect(answers.numbers('refused')).toEqual([1, 2])
      expect(answers.errorOf(2)?.message).toBe(
        'no queue took the message for exchange e with routing key k (312 NO_ROUTE)',
      )
    })

    test('that nobody here has sent is passed over', () => {
      const { script, answers, send } = open()
      send(1, 1)
      script.return(route, { correlationId: 'of another publisher on this channel' })
      script.ack(1)

      expect(answers.answerTo(1)).toBe('confirmed')
    })

    test('that is sent again is not taken for returned', () => {
      const { script, channel, answers } = open()
      const message = messageOf(templateOf({ routingKey: 'q', mandatory: true }), 1)
      channel.write(message, 0)
      script.return(route)
      channel.write(message, 0)
      script.ack(2)

      expect(answers.order).toEqual([1])
      expect(answers.answerTo(1)).toBe('confirmed')
    })
  })

  describe('the window', () => {
    test('has room for as many as may be in flight, counted from the oldest', () => {
      const { script, channel, send } = open({ maxInFlight: 8 })
      expect(channel).toMatchObject({ room: 8, isFull: false })
      send(1, 8)
      expect(channel).toMatchObject({ room: 0, isFull: true })
      // The oldest is still on its way.
      for (const tag of [8, 7, 6, 5]) script.ack(tag)
      expect(channel).toMatchObject({ room: 0, isFull: true, inFlight: 4 })
      script.ack(1)

      expect(channel).toMatchObject({ room: 1, isFull: false, inFlight: 3 })
    })

    test('calls for more once a quarter of it is free, not for each ack', () => {
      const { script, channel, answers, send } = open({ maxInFlight: 8 })
      send(1, 8)
      expect(channel.room).toBe(0)
      script.ack(1)
      expect(answers.relievedCount).toBe(0)
      script.ack(2)
      expect(answers.relievedCount).toBe(1)
      script.ack(3)
      expect(answers.relievedCount).toBe(1)
      script.ack(8, true)

      expect(answers.relievedCount).toBe(2)
    })

    test('of one message calls for more after each', () => {
      const { script, channel, answers, send } = open({ maxInFlight: 1 })
      for (let tag = 1; tag <= 3; tag++) {
        send(tag, tag)
        expect(channel.room).toBe(0)
        script.ack(tag)
        expect(channel.room).toBe(1)
        expect(answers.relievedCount).toBe(tag)
      }
    })

    test('that was never full does not call for more until all is settled', () => {
      const { script, answers, send } = open({ maxInFlight: 8 })
      send(1, 2)
      script.ack(1)
      expect(answers.relievedCount).toBe(0)
      script.ack(2)

      expect(answers.relievedCount).toBe(1)
    })

    test('has no room while the connection is blocked, and wakes after it', () => {
      const { script, channel, answers } = open()
      script.connection.isBlocked = true
      expect(channel.room).toBe(0)
      expect(channel.isFull).toBe(false)
      script.connection.isBlocked = false
      channel.wake()

      expect(channel.room).toBe(1_024)
      expect(answers.relievedCount).toBe(1)
    })

    test('has no room while the socket takes no more, and calls once it does', async () => {
      const { script, channel, answers } = open({ maxInFlight: 100_000 })
      script.stall()
      const body = 'x'.repeat(1_000)
      let written = 0
      const seen: string[] = []
      while (channel.room > 0 && written < 50_000) {
        channel.write(messageOf(template, ++written, { body }), 0)
        channel.flush()
        // amqplib's own buffers are emptied between turns.
        if (written % 100 === 0) seen.push(...(await script.taken()))
      }
      // What waits is bounded by bytes: those of the socket, or, as amqplib shows none, those without an answer.
      expect(written).toBeLessThan(3_000)
      expect(answers.relievedCount).toBe(0)
      script.resume()
      const answered = channel.isFast ? 0 : 1
      if (answered > 0) script.ack(1)
      await until(() => answers.relievedCount > 0)

      expect(channel.room).toBe(100_000 - written + answered)
      seen.push(...(await script.taken()))
      expect(seen.filter((name) => name === 'BasicPublish')).toHaveLength(written)
    })
  })

  describe('order and size', () => {
    test('what was written leaves with the flush, behind what the channel has queued and before what follows', async () => {
      const { script, channel, send } = open()
      const declared = [script.raw.assertQueue('a'), script.raw.assertQueue('b')]
      send(1, 2)
      script.raw.ack({ fields: { deliveryTag: 1 } } as never)
      send(3, 3)
      for (const each of declared) each.catch(() => {})

      expect(channel.inFlight).toBe(3)
      expect(await script.taken()).toEqual([
        'QueueDeclare',
        ...['BasicPublish', 'message 1', 'BasicPublish', 'message 2'],
        'BasicAck',
        ...['BasicPublish', 'message 3'],
      ])
    })

    test('a flush without messages writes nothing', async () => {
      const { script, channel } = open()
      channel.flush()

      expect(await script.taken()).toEqual([])
    })

    test('a message too large for the broker is refused before it is written, and harms nobody', async () => {
      const { script, channel, answers, send } = open()
      send(1, 1)
      const large = templateOf({ routingKey: 'q', properties: { headers: { note: textSlot(1) } } })
      const write = () => channel.write(messageOf(large, 2, { values: ['', 'x'.repeat(65_536)] }), 0)
      expect(write).toThrow(expect.objectContaining({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent' }))
      expect(channel).toMatchObject({ publishes: 1, inFlight: 1 })
      send(3, 3)
      script.ack(2)

      expect(answers.order).toEqual([3])
      expect((await script.taken()).filter((name) => name === 'BasicPublish')).toHaveLength(2)
    })

    test('a message larger than all buffers arrives whole, between its neighbours', async () => {
      const { script, channel, send } = open()
      send(1, 1)
      channel.write(messageOf(template, 2, { body: Buffer.alloc(300_000, 'x') }), 0)
      send(3, 3)
      const seen = await script.taken()

      expect(seen.slice(0, 3)).toEqual(['BasicPublish', 'message 1', 'BasicPublish'])
      expect(seen.slice(3, -2).join('')).toBe('x'.repeat(300_000))
      expect(seen.slice(-2)).toEqual(['BasicPublish', 'message 3'])
    })

    test('10,000 messages that are flushed together arrive in their order', async () => {
      const { script, send } = open({ maxInFlight: 10_000 })
      send(1, 10_000)
      const bodies = (await script.taken()).filter((name) => name !== 'BasicPublish')

      expect(bodies).toEqual(Array.from({ length: 10_000 }, (_, index) => `message ${index + 1}`))
    })
  })

  describe('its end', () => {
    test('a channel that retires takes no more, and closes once all is settled', async () => {
      const { script, channel, answers, send } = open()
      send(1, 2)
      await script.taken()
      channel.retire('too old')
      expect(channel).toMatchObject({ isOpen: true, isUsable: false, room: 0, closeReason: 'too old' })
      script.ack(1)
      expect(await script.taken()).toEqual([])
      script.ack(2)
      expect(await script.taken()).toEqual(['ChannelClose'])
      script.closeOk()
      await until(() => answers.closedCount === 1)

      expect(answers.numbers('confirmed')).toEqual([1, 2])
      expect(channel).toMatchObject({ isOpen: false, closeReason: 'too old' })
      expect(script.aborts).toEqual([])
    })

    test('an idle channel that retires closes at once', async () => {
      const { script, channel, answers } = open()
      channel.retire('idle')
      expect(await script.taken()).toEqual(['ChannelClose'])
      script.closeOk()
      await until(() => answers.closedCount === 1)
    })

    test('a channel that is destroyed hands its messages back at once, oldest first', async () => {
      const { script, channel, answers, send } = open()
      send(1, 3)
      script.ack(2)
      const destroyed = channel.destroy('of no use')

      expect(answers.order).toEqual([2, 1, 3])
      expect(answers.numbers('orphaned')).toEqual([1, 3])
      expect(answers.errorOf(1)).toMatchObject({
        code: 'ERR_CHANNEL_CLOSED',
        message: 'the channel was closed: of no use',
        outcome: 'unknown',
        retryable: true,
      })
      script.closeOk()
      await destroyed
      expect(answers.closedCount).toBe(1)
      expect(channel.isOpen).toBe(false)
    })

    test.each<[string, (channel: ReturnType<typeof open>['channel']) => Promise<unknown>]>([
      ['destroyed twice', (channel) => Promise.all([channel.destroy('once'), channel.destroy('twice')])],
      [
        'destroyed after it retired',
        (channel) => {
          channel.retire('idle')
          return channel.destroy('pool closed')
        },
      ],
    ])('a channel that is %s at the same time closes once, and leaves its connection alone', async (_, end) => {
      const { script, channel, answers } = open()
      const ended = end(channel)
      expect(await script.taken()).toEqual(['ChannelClose'])
      expect(script.aborts).toEqual([])
      script.closeOk()
      await ended

      expect(answers.closedCount).toBe(1)
      expect(script.aborts).toEqual([])
    })

    test('a channel that is being closed takes no more, and keeps the reason that it was given first', async () => {
      const { script, channel, send } = open()
      send(1, 1)
      channel.retire('too old')
      channel.retire('of no use')
      expect(channel.closeReason).toBe('too old')
      const destroyed = channel.destroy('pool closed')

      expect(channel).toMatchObject({ isOpen: true, isUsable: false, room: 0, closeReason: 'pool closed' })
      script.closeOk()
      await destroyed
    })

    test('a channel that was closed before anybody could listen is refused', () => {
      const { script } = open()
      script.lose()

      expect(() => newChannel(script.raw, script.connection)).toThrow('the channel was closed as it was opened')
    })

    test('what was written and not flushed does not follow the loss of the connection', async () => {
      const { script, channel } = open()
      channel.write(messageOf(template, 1), 0)
      await script.taken()
      script.lose()
      channel.flush()

      expect(await script.taken()).toEqual([])
    })

    test('what was written and not flushed does not follow the close, for that would end the connection', async () => {
      const { script, channel, answers } = open()
      channel.write(messageOf(template, 1), 0)
      const destroyed = channel.destroy('of no use')
      channel.flush()
      const seen = await script.taken()
      script.closeOk()
      await destroyed

      expect(seen.at(-1)).toBe('ChannelClose')
      expect(answers.numbers('orphaned')).toEqual([1])
    })

    test('a channel that is gone ignores retire, destroy, flush and wake', async () => {
      const { script, channel, answers } = open()
      script.lose()
      channel.retire('x')
      await channel.destroy('x')
      channel.flush()
      channel.wake()

      expect(answers).toMatchObject({ closedCount: 1, relievedCount: 0 })
      expect(channel).toMatchObject({ room: 0, isOpen: false, closeReason: 'connection lost' })
    })

    test('an answer that comes behind the end of a channel leaves its connection alone', async () => {
      const { script, channel, answers, send } = open()
      send(1, 1)
      channel.retire('too old')
      script.lose()
      script.raw.emit('ack', { deliveryTag: 1, multiple: false })
      await script.taken()

      expect(script.aborts).toEqual([])
      expect(answers).toMatchObject({ closedCount: 1, relievedCount: 0 })
    })

    test('when the connection is lost, the outcome of all messages is unknown and each may be sent again', () => {
      const { script, channel, answers, send } = open()
      send(1, 2)
      const cause = new Error('read ECONNRESET')
      script.lose(cause)

      expect(answers.numbers('orphaned')).toEqual([1, 2])
      expect(answers.errorOf(1)).toMatchObject({
        code: 'ERR_CHANNEL_CLOSED',
        message: 'the channel was lost: read ECONNRESET',
        outcome: 'unknown',
        retryable: true,
        cause,
      })
      expect(channel).toMatchObject({ isOpen: false, inFlight: 0 })
      expect(answers.closedCount).toBe(1)
    })

    test('when the broker names the guilty message, it is refused, and the others may be sent again', () => {
      const { script, channel, answers, send } = open()
      send(1, 2)
      channel.write(messageOf(templateOf({ exchange: 'gone' }), 3), 0)
      send(4, 5)
      script.ack(1)
      script.close(404, "NOT_FOUND - no exchange 'gone' in vhost '/'")

      expect(answers.numbers('refused')).toEqual([3])
      expect(answers.numbers('orphaned')).toEqual([2, 4, 5])
      expect(answers.errorOf(3)).toMatchObject({
        code: 'ERR_CHANNEL_CLOSED',
        message: expect.stringMatching(/404 \(NOT-FOUND\).*no exchange 'gone' in vhost '\/'/),
        outcome: 'refused',
        retryable: false,
        cause: { code: 404 },
      })
      expect(answers.errorOf(2)).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown', retryable: true })
      expect(isSuspicion(answers.errorOf(2) as never)).toBe(false)
      expect(channel.closeReason).toContain('404')
    })

    test('when several go where the broker says that nothing is, the first is given up, and may have been stored', () => {
      const { script, channel, answers, send } = open()
      const gone = templateOf({ exchange: 'gone' })
      send(1, 1)
      for (const number of [2, 3]) channel.write(messageOf(gone, number), 0)
      script.close(404, "NOT_FOUND - no exchange 'gone' in vhost '/'")

      expect(answers.numbers('refused')).toEqual([2])
      expect(answers.errorOf(2)).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown', retryable: false })
      expect(answers.numbers('orphaned')).toEqual([1, 3])
    })

    test('when the broker names nobody, all are suspected', () => {
      const { script, answers, send } = open()
      send(1, 3)
      script.close(406, "PRECONDITION_FAILED - invalid expiration 'soon'")

      expect(answers.numbers('refused')).toEqual([])
      expect(answers.numbers('orphaned')).toEqual([1, 2, 3])
      expect(answers.errorOf(1)).toMatchObject({ code: 'ERR_CHANNEL_CLOSED', outcome: 'unknown', retryable: false })
      expect(isSuspicion(answers.errorOf(1) as never)).toBe(true)
    })

    test('when another operation on the channel failed, no message is suspected', () => {
      const { script, answers, send } = open()
      send(1, 2)
      script.close(404, "NOT_FOUND - no queue 'x' in vhost '/'", 50, 10)

      expect(answers.numbers('orphaned')).toEqual([1, 2])
      expect(isSuspicion(answers.errorOf(1) as never)).toBe(false)
    })

    test('a broker that closes a channel without messages hurts nobody', () => {
      const { script, answers } = open()
      script.close(404, "NOT_FOUND - no queue 'x' in vhost '/'", 50, 10)

      expect(answers.order).toEqual([])
      expect(answers.closedCount).toBe(1)
    })
  })

  describe('waiting', () => {
    test('whenEmpty resolves once the last message has its answer', async () => {
      const { script, channel, send } = open()
      send(1, 2)
      let isEmpty = false
      const empty = channel.whenEmpty().then(() => {
        isEmpty = true
      })
      script.ack(1)
      await script.taken()
      expect(isEmpty).toBe(false)
      script.nack(2)
      await empty
    })

    test('whenEmpty resolves at once when nothing is on its way, and when the channel is lost', async () => {
      const { script, channel, send } = open()
      await channel.whenEmpty()
      send(1, 1)
      const empty = channel.whenEmpty()
      script.lose()
      await empty
      await channel.whenEmpty()
    })
  })
})
