import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { PooledProducerError } from '../../lib/errors.ts'
import { EventLog } from '../../lib/observe/log.ts'
import { TRACES } from '../../lib/observe/traces.ts'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import type { ChannelPool } from '../../lib/pool/channel-pool.ts'
import type { Declaration } from '../../lib/pool/declarations.ts'
import { Dispatcher } from '../../lib/pool/dispatcher.ts'
import type { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishLog } from '../../lib/pool/publish-log.ts'
import type { PublishLimits } from '../../lib/pool/publish-request.ts'
import { Settlement } from '../../lib/pool/settlement.ts'
import { Counters } from '../../lib/pool/stats.ts'
import { afterTest } from '../support/cleanup.ts'
import { failureOf } from '../support/failure.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { ScriptedChannel, ScriptedChannels } from './scripted-channels.ts'

const STARTED_AT = 5_000
const SETTINGS = {
  name: 'shop',
  publishTimeoutMs: 1_000,
  maxWaiting: 100,
  maxBufferedBytes: 1_000_000,
  maxMessageBytes: 10,
}

let counters: Counters
let records: RecordedLog
let log: PublishLog
let settlement: Settlement
let channels: ScriptedChannels
let refusal: PooledProducerError | undefined
/** What the broker is to have, and what tells that it has. */
let declaring: [Declaration, () => void][]
let dispatcher: Dispatcher

beforeEach(() => {
  // The loop turns as ever; only time stands still.
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'queueMicrotask', 'nextTick'] })
  jest.advanceTimersByTime(STARTED_AT)
  counters = new Counters()
  records = new RecordedLog()
  log = new PublishLog(new EventLog(records, 'shop'))
  settlement = new Settlement(counters, log, () => ({
    code: 'ERR_PUBLISH_TIMEOUT',
    reason: '',
    cause: undefined,
    retryAfterMs: 0,
  }))
  channels = new ScriptedChannels()
  refusal = undefined
  declaring = []
  dispatcher = newDispatcher()
  dispatcher.keepsContext = false
})

afterEach(() => {
  settlement.stop()
  jest.useRealTimers()
})

function newDispatcher(): Dispatcher {
  const host = {
    refusal: () => refusal,
    declare: (declaration: Declaration) => new Promise<void>((resolve) => declaring.push([declaration, resolve])),
  }
  return new Dispatcher(() => channels as unknown as ChannelPool, host, SETTINGS, counters, settlement, log)
}

function channelWith(room: number, id = 1): ScriptedChannel {
  return new ScriptedChannel(id, room)
}

/** Has only these channels, all at hand. */
function having(...atHand: ScriptedChannel[]): void {
  channels = new ScriptedChannels(...atHand)
}

/** Lets the event loop turn, and what follows from it happen. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Submits one message. */
function submit(body: string, options?: PublishLimits, declaration?: Declaration): Promise<unknown> {
  return dispatcher.submit(prepare({ routingKey: 'q', body }, undefined), undefined, options, declaration)
}

/** A publish that was accepted, in nobody's line. */
function accepted(body: string, options?: PublishLimits): PendingPublish {
  let kept: PendingPublish | undefined
  const keep = (publish: PendingPublish) => {
    kept = publish
  }
  void dispatcher.submit(prepare({ routingKey: 'q', body }, undefined), undefined, options, undefined, keep)
  return kept as PendingPublish
}

/** A declaration that the broker has, or has not yet. */
function declarationOf(isDeclared: boolean): Declaration {
  return { isDeclared } as Declaration
}

describe('a turn', () => {
  test('writes what has come together in one piece, in its order, over one lease that ends with it', async () => {
    const channel = channelWith(10)
    having(channel)
    for (const body of ['a', 'b', 'c']) void submit(body)
    expect([dispatcher.waiting, channels.steps]).toEqual([3, []])
    await turn()

    expect([channel.bodies, channel.flushed]).toEqual([['a', 'b', 'c'], [3]])
    expect(channel.written.map(({ attempts }) => attempts)).toEqual([1, 1, 1])
    expect(channels.steps).toEqual(['take 1', 'give 1'])
    expect(counters).toMatchObject({ leases: 1, maxLeased: 1 })
    expect(dispatcher.waiting).toBe(0)
  })

  test('is asked for once, with one look at the clock, however many publishes come in it', async () => {
    having(channelWith(10))
    const asked = jest.spyOn(globalThis, 'setImmediate')
    void submit('a')
    const looked = jest.spyOn(performance, 'now')
    for (const body of ['b', 'c']) void submit(body)
    dispatcher.wake()

    expect([asked.mock.calls.length, looked.mock.calls.length]).toEqual([1, 0])
    await turn()
  })

  test('follows each other: what comes after one goes out with the next', async () => {
    const channel = channelWith(10)
    for (const body of ['a', 'b']) {
      having(channel)
      void submit(body)
      await turn()
      expect(channels.steps).toEqual(['take 1', 'give 1'])
    }

    expect(channel.flushed).toEqual([1, 2])
  })

  test('is not begun where nothing waits', async () => {
    having(channelWith(10))
    const asked = jest.spyOn(globalThis, 'setImmediate')
    dispatcher.wake()

    expect(asked).not.toHaveBeenCalled()
  })

  test('takes no lease for what waits in the line of a caller', async () => {
    having(channelWith(10))
    const publish = accepted('a')
    await turn()

    expect([publish.body, publish.isSettled, channels.steps]).toEqual(['a', false, []])
  })
})

describe('a full window', () => {
  test('leaves the rest where it is, until somebody says that there is room again', async () => {
    const channel = channelWith(2)
    having(channel)
    for (const body of ['a', 'b', 'c']) void submit(body)
    for (let times = 0; times < 5; times++) await turn()
    expect([channel.bodies, dispatcher.waiting]).toEqual([['a', 'b'], 1])
    expect(channels.steps).toEqual(['take 1', 'give 1'])

    channel.room = 1
    having(channel)
    dispatcher.wake()
    await turn()
    expect(channel.bodies).toEqual(['a', 'b', 'c'])
  })

  test('is followed by another that is idle, and by no more than it takes', async () => {
    const [first, second, third] = [channelWith(2, 1), channelWith(2, 2), channelWith(2, 3)]
    having(first, second, third)
    for (const body of ['a', 'b', 'c', 'd']) void submit(body)
    await turn()

    expect([first.bodies, second.bodies]).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    expect(channels.steps).toEqual(['take 1', 'take 2', 'give 1', 'give 2'])
  })

  test('opens another channel where there may be more, and asks for it while all are held', async () => {
    having(channelWith(1))
    channels.canGrow = true
    for (const body of ['a', 'b']) void submit(body)
    await turn()

    expect(channels.steps).toEqual(['take 1', 'grow', 'give 1'])
  })

  test('opens no channel for what it was enough for', async () => {
    having(channelWith(1))
    channels.canGrow = true
    void submit('a')
    await turn()

    expect(channels.steps).toEqual(['take 1', 'give 1'])
  })

  test('opens no channel where one of those held was not full, but dead', async () => {
    const dead = channelWith(0, 2)
    dead.isUsable = false
    having(channelWith(1, 1), dead)
    channels.canGrow = true
    for (const body of ['a', 'b']) void submit(body)
    await turn()

    expect(channels.steps).toEqual(['take 1', 'take 2', 'give 1', 'give 2'])
  })
})

describe('a wait for a channel', () => {
  test('is one for all, and is measured', async () => {
    void submit('a')
    await turn()
    jest.advanceTimersByTime(30)
    void submit('b')
    await turn()
    expect(channels.steps).toEqual(['wait'])
    const channel = channelWith(10)
    await channels.lend(channel)

    expect([channel.bodies, channels.steps]).toEqual([
      ['a', 'b'],
      ['wait', 'give 1'],
    ])
    expect(Math.round(counters.waitMs.summary().max)).toBe(30)
  })

  test('loses nothing of what is told meanwhile, which is heeded once', async () => {
    const [first, second] = [channelWith(1, 1), channelWith(1, 2)]
    having(first)
    // It is idle, but not at hand.
    channels.idle = 2
    for (const body of ['a', 'b', 'c', 'd']) void submit(body)
    await turn()
    first.room = 1
    dispatcher.wake()
    channels.idle = 0
    await channels.lend(second)
    channels.atHand.push(first)
    channels.idle = 1
    for (let times = 0; times < 5; times++) await turn()

    expect([first.bodies, second.bodies, dispatcher.waiting]).toEqual([['a', 'c'], ['b'], 1])
    expect(channels.steps).toEqual(['take 1', 'wait', 'give 1', 'give 2', 'take 1', 'give 1'])
  })
})

describe('a publish', () => {
  test('has the time limit of its pool from the beginning of its turn, and its own from its call', () => {
    const [first, own] = [accepted('a'), accepted('b', { timeoutMs: 20 })]
    jest.advanceTimersByTime(7)
    const late = accepted('c', { timeoutMs: 20 })

    const deadlines = [first, own, late].map(({ deadline }) => deadline - STARTED_AT)
    expect(deadlines).toEqual([1_000, 20, 27])
  })

  test('has the limit of its pool though it is given other options, which are kept to', async () => {
    const resending = { maxRetries: 1, firstPauseMs: 0, stepMs: 0, maxPauseMs: 0 }
    const controller = new AbortController()
    const publish = accepted('a', { resending, signal: controller.signal })
    expect(publish).toMatchObject({ resending, deadline: STARTED_AT + 1_000 })
    controller.abort()

    expect(await failureOf(publish.promise)).toMatchObject({ code: 'ERR_ABORTED' })
  })

  test('is refused at once where its pool takes none, and where it passes a bound', async () => {
    having(channelWith(10))
    refusal = new PooledProducerError('ERR_POOL_CLOSED', 'closed')
    expect(await failureOf(submit('a'))).toBe(refusal)
    refusal = undefined
    expect(await failureOf(submit('x'.repeat(11)))).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' })
    await turn()

    expect(counters).toMatchObject({ publishes: 2, failures: 2, waiting: 0, bufferedBytes: 0 })
    expect(channels.steps).toEqual([])
  })

  test('that is wrong before it is one is logged and counted as one that failed', async () => {
    const error = new PooledProducerError('ERR_INVALID_OPTION', 'no')
    expect(await failureOf(dispatcher.refuse(error))).toBe(error)
    expect(counters).toMatchObject({ publishes: 1, failures: 1 })
  })

  test('waits for what the broker must have first, and goes at once where the broker has it', async () => {
    const channel = channelWith(10)
    having(channel)
    const declaration = declarationOf(false)
    void submit('a', undefined, declaration)
    void submit('b', undefined, declarationOf(true))
    void submit('c')
    await turn()
    expect([channel.bodies, dispatcher.waiting]).toEqual([['b', 'c'], 1])
    expect(declaring.map(([asked]) => asked)).toEqual([declaration])

    having(channel)
    declaring[0]?.[1]()
    await turn()
    await turn()
    expect([channel.bodies, dispatcher.waiting]).toEqual([['b', 'c', 'a'], 0])
  })
})

test('what was in another line goes before what came later, unless it is settled', async () => {
  const channel = channelWith(10)
  having(channel)
  const [first, settled, second] = [accepted('a'), accepted('x'), accepted('b')]
  settlement.fail(settled, new PooledProducerError('ERR_NACKED', 'no'))
  void submit('c')
  dispatcher.adopt([first, settled, second])
  expect(dispatcher.waiting).toBe(3)
  await turn()

  expect([channel.bodies, dispatcher.waiting]).toEqual([['a', 'b', 'c'], 0])
})

test('what waits elsewhere for a queue that could not be declared can be parked here', async () => {
  const channel = channelWith(10)
  having(channel)
  const declaration = declarationOf(false)
  dispatcher.park([accepted('a'), accepted('b')], declaration)
  await turn()
  expect([channel.bodies, declaring.length, dispatcher.waiting]).toEqual([[], 1, 2])
  declaring[0]?.[1]()
  await turn()
  await turn()

  expect(channel.bodies).toEqual(['a', 'b'])
})

describe('a line that is filled into a channel', () => {
  /** A line of so many. */
  function lineOf(count: number) {
    const line = dispatcher.newQueue()
    for (let number = 1; number <= count; number++) line.push(accepted(`${number}`))
    return line
  }

  test.each([
    ['as far as there is room', false, 2],
    ['whole where all is asked for', true, 3],
  ])('is written %s', (_, isAll, written) => {
    const [channel, line] = [channelWith(2), lineOf(3)]
    dispatcher.fill(channel as unknown as PooledChannel, line, isAll)

    expect([channel.written.length, channel.flushed, line.length]).toEqual([written, [written], 3 - written])
  })

  test('is left alone by a channel that is dead, though all is asked for', () => {
    const [channel, line] = [channelWith(0), lineOf(1)]
    channel.isUsable = false
    dispatcher.fill(channel as unknown as PooledChannel, line, true)

    expect([channel.written.length, line.length]).toEqual([0, 1])
  })

  test('is written elsewhere when a tracer has replaced publish, and callers’ contexts are kept from then on', () => {
    const [channel, line] = [channelWith(2), lineOf(1)]
    channel.isBypassed = true
    dispatcher.fill(channel as unknown as PooledChannel, line)

    expect([channel.written.length, line.length]).toEqual([0, 1])
    expect([channel.retiredFor, dispatcher.keepsContext]).toEqual(['publish was replaced by a tracer', true])
  })

  test('changes nothing of a channel that no tracer bypasses', () => {
    const channel = channelWith(2)
    dispatcher.fill(channel as unknown as PooledChannel, lineOf(1))

    expect([channel.retiredFor, dispatcher.keepsContext]).toEqual([undefined, false])
  })
})

describe('a write that throws', () => {
  test('fails its message alone where that cannot be encoded', async () => {
    const channel = channelWith(10)
    having(channel)
    channel.fault = new RangeError('too long')
    const failure = failureOf(submit('a'))
    await turn()

    expect(await failure).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', outcome: 'not-sent' })
    expect([channel.retiredFor, dispatcher.waiting]).toEqual([undefined, 0])
  })

  test('over a channel that is gone loses nothing: its messages go out over another, in their order', async () => {
    const [gone, other] = [channelWith(10, 1), channelWith(10, 2)]
    gone.fault = Object.assign(new Error('Channel closed'), { name: 'IllegalOperationError' })
    having(gone, other)
    for (const body of ['a', 'b']) void submit(body)
    await turn()

    expect([gone.retiredFor, gone.bodies, other.bodies]).toEqual(['Channel closed', [], ['a', 'b']])
    expect(other.written.map(({ attempts }) => attempts)).toEqual([1, 1])
  })
})

describe('the context of a caller', () => {
  const requests = new AsyncLocalStorage<string>()

  /** The contexts in which the messages of nobody and of two callers are written, in one turn. */
  async function writtenIn(isFast: boolean): Promise<unknown[]> {
    const channel = channelWith(10)
    channel.isFast = isFast
    const seen: unknown[] = []
    channel.wrote = () => seen.push(requests.getStore())
    having(channel)
    void submit('nobody')
    for (const request of ['one', 'other']) requests.run(request, () => void submit(request))
    await turn()
    return seen
  }

  test('is kept until it is known whether somebody has a use for it', () => {
    expect(newDispatcher().keepsContext).toBe(true)
  })

  test('is what its message is written in through a publish that a tracer may have replaced', async () => {
    dispatcher.keepsContext = true
    expect(await writtenIn(false)).toStrictEqual([undefined, 'one', 'other'])
  })

  test('is left alone by frames that were encoded ahead, which no tracer sees', async () => {
    dispatcher.keepsContext = true
    expect(await writtenIn(true)).toStrictEqual([undefined, undefined, undefined])
  })

  test('is not kept where nobody has a use for it', async () => {
    expect(accepted('a').context).toBeUndefined()
    expect(await writtenIn(false)).toStrictEqual([undefined, undefined, undefined])
  })

  test('is known by its name to who watches asynchronous resources', () => {
    const types: string[] = []
    const hook = createHook({ init: (_, type) => void types.push(type) }).enable()
    afterTest(() => hook.disable())
    dispatcher.keepsContext = true
    accepted('a')

    expect(types).toContain('PooledProducerPublish')
  })
})

describe('a lease of a turn', () => {
  test('is logged as it begins and as it ends, with what it was used for', async () => {
    const channel = channelWith(10)
    for (const count of [2, 1]) {
      void submit('a')
      if (count === 2) void submit('b')
      await turn()
      jest.advanceTimersByTime(30)
      channel.wrote = () => void jest.advanceTimersByTime(10)
      await channels.lend(channel)
    }

    expect(records.of('channel.acquire')).toMatchObject([
      { channel: 1, lease: 1, reused: false, waitMs: 30 },
      { channel: 1, lease: 2, reused: true, waitMs: 30 },
    ])
    expect(records.of('channel.release')).toMatchObject([
      { channel: 1, lease: 1, publishes: 2, heldMs: 50 },
      { channel: 1, lease: 2, publishes: 1, heldMs: 40 },
    ])
    expect(channel.leases).toBe(2)
  })

  test('is not even put into words where nobody wants it logged', async () => {
    log = new PublishLog(new EventLog(new RecordedLog('info'), 'shop'))
    dispatcher = newDispatcher()
    const words = [jest.spyOn(log, 'leased'), jest.spyOn(log, 'released')]
    having(channelWith(10))
    void submit('a')
    await turn()

    expect(channels.steps).toEqual(['take 1', 'give 1'])
    for (const word of words) expect(word).not.toHaveBeenCalled()
  })
})

test('a tracer hears of a publish, its place and its size in bytes, and the call gives what it always gives', async () => {
  const heard: unknown[] = []
  const hear = (context: unknown) => void heard.push(context)
  TRACES.publish.start.subscribe(hear)
  afterTest(() => void TRACES.publish.start.unsubscribe(hear))
  const channel = channelWith(10)
  having(channel)
  const properties = { headers: { id: 'id-1', task: 'shop.ship' } }
  const prepared = prepare({ exchange: 'e', routingKey: 'k', body: 'é', properties }, undefined)
  const results = { resultOf: (taskId: string) => `the result of ${taskId}` }
  const publishing = dispatcher.submit({ ...prepared, values: ['id-1'] }, results, undefined, undefined)
  await turn()
  settlement.confirm(channel.written[0] as PendingPublish, 1, channel as unknown as PooledChannel)

  expect(await publishing).toBe('the result of id-1')
  expect(heard).toEqual([{ pool: 'shop', exchange: 'e', routingKey: 'k', task: 'shop.ship', taskId: 'id-1', bytes: 2 }])
})

test('where no tracer listens to publishes, none is told', async () => {
  const told = jest.spyOn(TRACES.publish.start, 'runStores')
  void submit('a')

  expect([dispatcher.waiting, told.mock.calls]).toEqual([1, []])
})
