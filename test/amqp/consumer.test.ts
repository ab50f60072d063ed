import { afterEach, describe, expect, jest, test } from '@jest/globals'
import type { PlainChannel } from '../../lib/amqp/connection.ts'
import { Consumer, type Consumption } from '../../lib/amqp/consumer.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { closeConnections, openConnection } from './recorded-owners.ts'
import {
  CHANNEL_1,
  closing,
  type Script,
  type ScriptedServer,
  type SentMethod,
  startScriptedServer,
} from './scripted-server.ts'

const servers: ScriptedServer[] = []

afterEach(async () => {
  jest.useRealTimers()
  await closeConnections()
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

const DECLARED = { name: 'QueueDeclareOk', channel: 1, fields: { queue: 'q', messageCount: 0, consumerCount: 0 } }
const CONSUMED = { name: 'BasicConsumeOk', channel: 1, fields: { consumerTag: 'c' } }
const CANCEL = { name: 'BasicCancel', channel: 1, fields: { consumerTag: 'c', nowait: true } }
const CLOSED = { name: 'ChannelCloseOk', channel: 1 }
const DELETED = { name: 'QueueDeleteOk', channel: 1, fields: { messageCount: 0 } }
/** amqplib closes the connection over it. */
const ON_NO_CHANNEL = { name: 'BasicAck', channel: 77, fields: { deliveryTag: 1, multiple: false } }
const CHANNEL_CLOSE = { ...closing('ChannelClose', 404, 'NOT_FOUND - no queue'), channel: 1 }

/** A message of one letter, with that delivery tag. */
function delivery(deliveryTag: number, letter: string) {
  const fields = { consumerTag: 'c', deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
  // The content header, and the body.
  const content = Buffer.from('0200010000000e003c000000000000000000010000ce03000100000001', 'hex')
  return [
    { name: 'BasicDeliver', channel: 1, fields },
    Buffer.concat([content, Buffer.from(`${letter}\xce`, 'latin1')]),
  ]
}

/** The time limits are the test's from now on; what amqplib does from turn to turn goes on. */
function fakeTimers(): void {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] })
}

interface Settings extends Partial<Consumption> {
  readonly script?: Script
  onReceived?(consumer: Consumer): void
}

/** A consumer of a broker that answers by a script, and all that it tells. */
async function newConsumer({ script, onReceived, ...consumption }: Settings = {}) {
  const server = await startScriptedServer({
    ...CHANNEL_1,
    QueueDeclare: [DECLARED],
    BasicQos: [{ name: 'BasicQosOk', channel: 1 }],
    BasicConsume: [CONSUMED],
    QueueDelete: [DELETED],
    ...script,
  })
  servers.push(server)
  const { connection } = await openConnection(server.url)
  const received: string[] = []
  const ends: Error[] = []
  const consumer: Consumer = new Consumer(
    { declare: async (channel) => (await channel.assertQueue('q')).queue, ...consumption },
    {
      received: ({ content }) => {
        received.push(content.toString())
        onReceived?.(consumer)
      },
      ended: (reason) => void ends.push(reason),
    },
  )
  return { server, consumer, received, ends, open: () => consumer.open(connection) }
}

/** One that consumes. */
async function opened(settings: Settings = {}) {
  const made = await newConsumer(settings)
  await made.open()
  return made
}

/** An answer that notes what was asked. */
function noted(order: string[], name: string, ...answer: SentMethod[]): () => SentMethod[] {
  return () => {
    order.push(name)
    return answer
  }
}

const deleteQueue = (channel: PlainChannel): Promise<unknown> => channel.deleteQueue('q')

describe('what it consumes', () => {
  test('is the queue that was declared, without acks and without a prefetch unless they are asked for', async () => {
    const { server } = await opened()

    expect(server.received('BasicConsume')?.fields).toMatchObject({ queue: 'q', noAck: true })
    expect(server.count('BasicQos')).toBe(0)
  })

  test('comes with the prefetch that was asked for, set before', async () => {
    const order: string[] = []
    const { server } = await opened({
      noAck: false,
      prefetch: 7,
      script: {
        BasicQos: noted(order, 'prefetch', { name: 'BasicQosOk', channel: 1 }),
        BasicConsume: noted(order, 'consume', CONSUMED),
      },
    })

    expect(order).toEqual(['prefetch', 'consume'])
    expect(server.received('BasicQos')?.fields).toMatchObject({ prefetchCount: 7 })
    expect(server.received('BasicConsume')?.fields).toMatchObject({ noAck: false })
  })

  test('is handed over in its order, and not acked where the broker wants no acks', async () => {
    const { server, consumer, received } = await opened()
    server.send(...delivery(1, 'a'), ...delivery(2, 'b'))
    await until(() => received.length === 2)
    await consumer.close()

    expect(received).toEqual(['a', 'b'])
    expect(server.count('BasicAck')).toBe(0)
  })

  test('is acked once it was handed over, in one frame for all that came together', async () => {
    const { server, received } = await opened({ noAck: false })
    server.send(...delivery(1, 'a'), ...delivery(2, 'b'), ...delivery(3, 'c'))
    await until(() => server.count('BasicAck') > 0)
    expect(server.count('BasicAck')).toBe(1)
    expect(server.received('BasicAck')?.fields).toMatchObject({ deliveryTag: 3, multiple: true })
    server.send(...delivery(4, 'd'))
    await until(() => server.count('BasicAck') > 1)

    expect(server.received('BasicAck')?.fields).toMatchObject({ deliveryTag: 4, multiple: true })
    expect(received).toEqual(['a', 'b', 'c', 'd'])
  })

  test('is left without an ack, and does not end the process, when the connection is being closed by then', async () => {
    const { server, received, ends } = await opened({ noAck: false })
    server.send(...delivery(1, 'a'), ON_NO_CHANNEL)
    await until(() => ends.length === 1)

    expect(received).toEqual(['a'])
    expect(server.count('BasicAck')).toBe(0)
  })

  test('is left without an ack, to be delivered once more, when the consumer is closed by then', async () => {
    const { server, consumer, received } = await opened({
      noAck: false,
      onReceived: (consumer) => void consumer.close(),
    })
    server.send(...delivery(1, 'a'))
    await until(() => received.length > 0)
    await consumer.close()

    expect(server.count('BasicAck')).toBe(0)
  })

  test('is nothing any more once it was closed', async () => {
    const { server, consumer, received } = await opened({
      script: { ChannelClose: [...delivery(1, 'a'), CLOSED] },
    })
    await consumer.close()

    expect(server.count('ChannelClose')).toBe(1)
    expect(received).toEqual([])
  })
})

describe('an open that fails', () => {
  test('for what declares the queue rejects with its reason, and leaves no channel', async () => {
    const reason = new Error('no such queue')
    const { server, ends, open } = await newConsumer({ declare: () => Promise.reject(reason) })

    expect(await failureOf(open())).toBe(reason)
    expect(server.count('ChannelClose')).toBe(1)
    expect(ends).toEqual([])
  })

  test('as the broker closes the channel rejects with what the broker says, and ends nobody', async () => {
    const { ends, open } = await newConsumer({ script: { QueueDeclare: [CHANNEL_CLOSE] } })

    expect((await failureOf(open())).message).toBe(
      'Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - no queue"',
    )
    expect(ends).toEqual([])
  })

  test('as the connection is lost rejects with that', async () => {
    const { ends, open } = await newConsumer({ script: { QueueDeclare: ['hang up'] } })

    expect((await failureOf(open())).message).toBe('the channel was closed')
    expect(ends).toEqual([])
  })

  test('as the queue goes as soon as it is consumed from rejects with that', async () => {
    const { server, ends, open } = await newConsumer({ script: { BasicConsume: [CONSUMED, CANCEL] } })

    expect((await failureOf(open())).message).toBe('the queue was deleted, or its node has gone')
    expect(server.count('ChannelClose')).toBe(1)
    expect(ends).toEqual([])
  })

  test('as the broker does not answer rejects after 5 s, and leaves no channel', async () => {
    const { server, ends, open } = await newConsumer({ script: { BasicConsume: [] } })
    fakeTimers()
    const failed = jest.fn()
    const failure = failureOf(open())
    failure.then(failed, failed)
    await until(() => server.count('BasicConsume') === 1)
    await jest.advanceTimersByTimeAsync(4_999)
    expect(failed).not.toHaveBeenCalled()
    await jest.advanceTimersByTimeAsync(1)

    expect((await failure).message).toBe('the broker did not answer in 5000 ms')
    expect(server.count('ChannelClose')).toBe(1)
    expect(ends).toEqual([])
  })

  test('as it is closed before the queue is declared rejects, and ends nobody', async () => {
    const { server, consumer, ends, open } = await newConsumer({ script: { QueueDeclare: [] } })
    const failure = failureOf(open())
    await until(() => server.count('QueueDeclare') === 1)
    await consumer.close()

    expect((await failure).message).toBe('Channel ended, no reply will be forthcoming')
    expect(server.count('ChannelClose')).toBe(1)
    expect(ends).toEqual([])
  })

  test('as it is closed over its first message rejects, and ends nobody', async () => {
    const { server, consumer, received, ends, open } = await newConsumer({
      script: { BasicConsume: [CONSUMED, ...delivery(1, 'a')] },
      onReceived: (consumer) => void consumer.close(),
    })

    expect((await failureOf(open())).message).toBe('the channel was closed')
    await consumer.close()
    expect(received).toEqual(['a'])
    expect(server.count('ChannelClose')).toBe(1)
    expect(ends).toEqual([])
  })
})

describe('its end', () => {
  test('is told once when the queue is deleted, and the channel is closed', async () => {
    const { server, ends } = await opened()
    server.send(CANCEL, CANCEL)
    await until(() => server.count('ChannelClose') > 0)
    await until(() => ends.length > 0)

    expect(ends.map(({ message }) => message)).toEqual(['the queue was deleted, or its node has gone'])
    expect(server.count('ChannelClose')).toBe(1)
  })

  test('is told once when the broker closes the channel, with what the broker says', async () => {
    const { server, consumer, ends } = await opened()
    server.send(CHANNEL_CLOSE)
    await until(() => ends.length > 0)
    await consumer.close()

    expect(ends).toEqual([expect.objectContaining({ code: 404 })])
    expect(server.count('ChannelClose')).toBe(0)
  })

  test('is told once when the connection is lost', async () => {
    const { server, ends } = await opened()
    server.send('hang up')
    await until(() => ends.length > 0)

    expect(ends.map(({ message }) => message)).toEqual(['the channel was closed'])
  })

  test('is not told to who closes it', async () => {
    const { server, consumer, ends } = await opened()
    await consumer.close()

    expect(server.count('ChannelClose')).toBe(1)
    expect(ends).toEqual([])
  })
})

describe('close', () => {
  test('waits for the broker, whoever began it', async () => {
    const { server, consumer } = await opened({ script: { ChannelClose: [] } })
    let closed = 0
    const both = [1, 2].map(async () => {
      await consumer.close()
      closed++
    })
    await until(() => server.count('ChannelClose') > 0)
    expect(closed).toBe(0)
    server.send(CLOSED)
    await Promise.all(both)

    expect(server.count('ChannelClose')).toBe(1)
  })

  test('does not wait for longer than 5 s, and does not reject', async () => {
    const { server, consumer } = await opened({ script: { ChannelClose: [] } })
    fakeTimers()
    let isClosed = false
    const closed = consumer.close().then(() => {
      isClosed = true
    })
    await until(() => server.count('ChannelClose') > 0)
    await jest.advanceTimersByTimeAsync(4_999)
    expect(isClosed).toBe(false)
    await jest.advanceTimersByTimeAsync(1)
    await closed
  })

  test('of one that was never opened has nothing to do', async () => {
    const { server, consumer } = await newConsumer()
    await consumer.close()

    expect(server.count('ChannelOpen')).toBe(0)
  })
})

describe('dispose', () => {
  test('takes away what was declared, and closes then; who asked for it is not told of the end', async () => {
    const order: string[] = []
    const { consumer, ends } = await opened({
      dispose: deleteQueue,
      script: {
        // A broker cancels the consumers of a queue that is deleted, the one who deletes it among them.
        QueueDelete: noted(order, 'delete', CANCEL, DELETED),
        ChannelClose: noted(order, 'close', CLOSED),
      },
    })
    await consumer.dispose()

    expect(order).toEqual(['delete', 'close'])
    expect(ends).toEqual([])
  })

  test('closes where nothing is to be taken away', async () => {
    const { server, consumer } = await opened()
    await consumer.dispose()

    expect(server.count('ChannelClose')).toBe(1)
  })

  test('closes even where what was declared cannot be taken away', async () => {
    const { server, consumer } = await opened({ dispose: () => Promise.reject(new Error('in use')) })
    await consumer.dispose()

    expect(server.count('ChannelClose')).toBe(1)
  })

  test('closes after 5 s where the broker does not answer', async () => {
    const { server, consumer } = await opened({ dispose: deleteQueue, script: { QueueDelete: [] } })
    fakeTimers()
    const disposed = consumer.dispose()
    await until(() => server.count('QueueDelete') > 0)
    await jest.advanceTimersByTimeAsync(4_999)
    expect(server.count('ChannelClose')).toBe(0)
    await jest.advanceTimersByTimeAsync(1)
    await disposed

    expect(server.count('ChannelClose')).toBe(1)
  })

  test('takes nothing away while it is being opened, or once it has ended', async () => {
    const dispose = jest.fn(deleteQueue)
    const { server, consumer, ends, open } = await newConsumer({ dispose, script: { BasicConsume: [] } })
    const failure = failureOf(open())
    await until(() => server.count('BasicConsume') > 0)
    await consumer.dispose()
    await failure

    const other = await opened({ dispose })
    other.server.send(CHANNEL_CLOSE)
    await until(() => other.ends.length > 0)
    await other.consumer.dispose()
    expect(dispose).not.toHaveBeenCalled()
    expect(ends).toEqual([])
  })
})
