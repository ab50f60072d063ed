import { beforeEach, expect, test } from '@jest/globals'
import type { RawChannel } from '../../lib/amqp/connection.ts'
import type { PooledProducerError } from '../../lib/errors.ts'
import { type Declaration, Declarations } from '../../lib/pool/declarations.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { Producer, rejecting } from '../../lib/pool/producer.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'
import type { Prepared, PublishLimits, ResultMaker } from '../../lib/pool/publish-request.ts'
import { failureOf } from '../support/failure.ts'

const RESULTS: ResultMaker = { resultOf: () => 'result' }

/** A channel with as much room as it is given, which others have used before. */
class TestChannel {
  readonly id = 7
  readonly raw = {} as RawChannel
  publishes = 5
  isUsable = true
  room = 100

  retire(): void {
    this.isUsable = false
  }
}

/** Writes what a channel has room for, and keeps what else a lease asks of it; messages are known by their bodies. */
class TestDispatcher {
  readonly written: unknown[] = []
  /** How often it was asked to write. */
  fills = 0
  /** What the lease was not to write. */
  readonly submitted: unknown[] = []
  readonly adopted: unknown[] = []
  readonly parked: unknown[] = []
  readonly refused: PooledProducerError[] = []

  newQueue(): PublishQueue {
    return new PublishQueue({ waiting: 0 })
  }

  submit(
    prepared: Prepared,
    results: ResultMaker | undefined,
    options: PublishLimits | undefined,
    declaration: Declaration | undefined,
    enqueue?: (publish: PendingPublish) => void,
  ): Promise<unknown> {
    const publish = new PendingPublish(prepared.template, prepared.values, prepared.body, results)
    if (enqueue === undefined) this.submitted.push([publish.body, results, options, declaration])
    else enqueue(publish)
    return publish.promise
  }

  refuse(error: PooledProducerError): Promise<never> {
    this.refused.push(error)
    return Promise.reject(error)
  }

  fill(channel: TestChannel, line: PublishQueue, isAll = false): void {
    this.fills++
    while (isAll || channel.room > 0) {
      const publish = line.shift()
      if (publish === undefined) return
      channel.room--
      channel.publishes++
      this.written.push(publish.body)
      publish.resolve('confirmed')
    }
  }

  adopt(publishes: PendingPublish[]): void {
    this.adopted.push(...publishes.map(({ body }) => body))
  }

  park(publishes: PendingPublish[], declaration: Declaration): void {
    this.parked.push([declaration, publishes.map(({ body }) => body)])
  }
}

/** What the broker has once the test says so. */
class TestDeclaration implements Declaration {
  readonly name: string
  isDeclared = false
  /** How often it was declared. */
  times = 0
  answer: () => void = () => {}
  fail: (error: Error) => void = () => {}

  constructor(name: string) {
    this.name = name
  }

  declare(): Promise<void> {
    this.times++
    return new Promise((resolve, reject) => {
      this.answer = resolve
      this.fail = reject
    })
  }
}

let channel: TestChannel
let dispatcher: TestDispatcher
let released: Producer[]
let producer: Producer

beforeEach(() => {
  channel = new TestChannel()
  dispatcher = new TestDispatcher()
  released = []
  producer = new Producer(3, channel as never, dispatcher as never, new Declarations(() => {}), (given) => {
    released.push(given)
    given.end()
  })
})

/** Publishes a message, which may need a declaration. */
function send(body: string, declaration?: Declaration): Promise<unknown> {
  return producer.send(prepare({ routingKey: 'q', body }, undefined), undefined, undefined, declaration)
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('what is published in one turn is written in the next, in its order and at one go', async () => {
  const published = producer.publish({ routingKey: 'q', body: 'a' })
  void send('b')
  producer.wake()
  expect([dispatcher.written, producer.publishes]).toEqual([[], 0])
  await turn()

  expect([dispatcher.written, dispatcher.fills, producer.publishes]).toEqual([['a', 'b'], 1, 2])
  expect(await published).toBe('confirmed')
  void send('c')
  await turn()
  expect([dispatcher.written, dispatcher.fills, producer.publishes]).toEqual([['a', 'b', 'c'], 2, 3])
})

test('a lease that has nothing to write is not woken', async () => {
  producer.wake()
  await turn()
  expect(dispatcher.fills).toBe(0)
})

test('what a full channel has no room for stays with the lease, and goes on once there is room', async () => {
  channel.room = 1
  for (const body of ['a', 'b']) void send(body)
  await turn()
  expect([dispatcher.written, dispatcher.adopted]).toEqual([['a'], []])
  channel.room = 1
  producer.wake()
  await turn()

  expect(dispatcher.written).toEqual(['a', 'b'])
})

test('what waits as the channel dies is the pool’s, and is not written where nobody would answer', async () => {
  for (const body of ['a', 'b']) void send(body)
  channel.isUsable = false
  await turn()

  expect([dispatcher.fills, dispatcher.adopted]).toEqual([0, ['a', 'b']])
})

test('what is published on a dead channel is the pool’s from the start, with its limits and what it needs', async () => {
  channel.isUsable = false
  const [options, declaration] = [{ timeoutMs: 5 }, new TestDeclaration('queue a')]
  void producer.send(prepare({ routingKey: 'q', body: 'a' }, undefined), RESULTS, options, declaration)
  await turn()

  expect(dispatcher.submitted).toEqual([['a', RESULTS, options, declaration]])
  expect([dispatcher.fills, declaration.times]).toEqual([0, 0])
})

test('before something else goes out on the channel all that waits is written, its window full or not', () => {
  channel.room = 0
  for (const body of ['a', 'b']) void send(body)
  producer.flush()
  expect(dispatcher.written).toEqual(['a', 'b'])

  void send('c')
  channel.isUsable = false
  producer.flush()
  expect(dispatcher.written).toEqual(['a', 'b'])
})

test('a release writes what there is room for, hands the rest to the pool, and gives the channel', async () => {
  channel.room = 1
  for (const body of ['a', 'b']) void send(body)
  expect(producer.isReleased).toBe(false)

  expect(producer.end()).toBe(channel)
  expect(producer.isReleased).toBe(true)
  expect([dispatcher.written, dispatcher.adopted]).toEqual([['a'], ['b']])
  // Others have the channel now.
  channel.publishes += 10
  expect(producer.publishes).toBe(1)
})

test('a publish after the release is refused, and nothing of it is written', async () => {
  producer.end()
  const error = {
    code: 'ERR_PRODUCER_RELEASED',
    message: 'lease 3 was released; acquire another producer',
    outcome: 'not-sent',
  }

  expect(() => send('a')).toThrow(expect.objectContaining(error))
  expect(await failureOf(producer.publish({ routingKey: 'q', body: 'a' }))).toMatchObject(error)
  expect(dispatcher.refused).toMatchObject([error])
})

test('a bad message is refused by the pool, which counts it', async () => {
  const error = await failureOf(producer.publish({ routingKey: 5 as never, body: 'a' }))

  expect(error.code).toBe('ERR_INVALID_OPTION')
  expect(dispatcher.refused).toEqual([error])
})

test('a lease gives itself back, and at the end of a block only if nobody has done so', async () => {
  producer.release()
  expect(released).toEqual([producer])
  await producer[Symbol.asyncDispose]()
  expect(released).toEqual([producer])
})

test('the end of a block gives a lease back', async () => {
  await producer[Symbol.asyncDispose]()
  expect(released).toEqual([producer])
})

test('a lease tells its numbers, its channel, and whose it is', () => {
  expect([producer.lease, producer.channelId, producer.channel]).toEqual([3, 7, channel])
  expect(producer.isOf(dispatcher as never)).toBe(true)
  expect(producer.isOf(new TestDispatcher() as never)).toBe(false)
})

test('declarations are made one after the other, and what is published behind one keeps its place', async () => {
  const [one, other] = [new TestDeclaration('queue a'), new TestDeclaration('queue b')]
  void send('a', one)
  void send('b', other)
  void send('c')
  void send('d', one)
  await turn()
  expect([dispatcher.written, one.times, other.times]).toEqual([[], 1, 0])
  one.answer()
  await turn()
  void send('e')
  await turn()
  expect([dispatcher.written, other.times]).toEqual([['a'], 1])
  other.answer()
  await turn()
  await turn()
  expect(dispatcher.written).toEqual(['a', 'b', 'c', 'd', 'e'])

  void send('f')
  void send('g', one)
  await turn()
  expect(dispatcher.written.slice(5)).toEqual(['f', 'g'])
  expect([one.times, other.times]).toEqual([1, 1])
})

test('what waits for a declaration that the channel did not survive is the pool’s, which declares it anew', async () => {
  const declaration = new TestDeclaration('queue a')
  for (const body of ['a', 'b']) void send(body, declaration)
  await turn()
  declaration.fail(new Error('cut'))
  await turn()

  expect(dispatcher.parked).toEqual([[declaration, ['a', 'b']]])
  expect([dispatcher.written, dispatcher.adopted]).toEqual([[], []])
})

test.each([
  ['was released', () => void producer.end()],
  ['has lost its channel', () => channel.retire()],
])('what waits for a declaration is the pool’s once the lease %s', async (_, leave) => {
  const declaration = new TestDeclaration('queue a')
  void send('a', declaration)
  await turn()
  leave()
  declaration.answer()
  await turn()

  expect([dispatcher.written, dispatcher.adopted, dispatcher.parked]).toEqual([[], ['a'], []])
})

test('what a call throws becomes a rejection, and what it gives is given as it is', async () => {
  const [error, given] = [new Error('thrown'), Promise.resolve(1)]
  const thrown = rejecting(() => {
    throw error
  })

  expect(await failureOf(thrown)).toBe(error)
  expect(rejecting(() => given)).toBe(given)
})
