import { once } from 'node:events'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { Connection, RawChannel } from '../../lib/amqp/connection.ts'
import { type Declaration, Declarations } from '../../lib/pool/declarations.ts'
import { closeConnections, openConnection } from '../amqp/recorded-owners.ts'
import { useBroker } from '../support/broker.ts'
import { failureOf } from '../support/failure.ts'

const broker = useBroker()

afterEach(closeConnections)

test('a declaration that the broker does not answer after a reconnect leaves no channel open', async () => {
  const { connection } = await openConnection(broker.url)
  const declarations = new Declarations(() => {})
  const seen: RawChannel[] = []
  const declaration: Declaration = {
    name: 'a queue whose home node is frozen',
    isDeclared: false,
    async declare(channel) {
      seen.push(channel)
      // The second time is on the new connection.
      if (seen.length > 1) await new Promise(() => {})
    },
  }
  const channel = await connection.openChannel()
  await declarations.declareOn(declaration, { raw: channel, retire: () => {} })

  await expect(declarations.restore(connection)).rejects.toThrow(/did not answer the declaration of a queue whose home/)
  await once(seen[1] as RawChannel, 'close')
  expect(seen).toHaveLength(2)
})

/** A channel of nobody's, which notes its end. */
class TestChannel {
  readonly retired: string[] = []
  readonly close = jest.fn(async () => {})
  readonly raw = this as unknown as RawChannel

  retire(reason: string): void {
    this.retired.push(reason)
  }
}

/** As much of a connection as is used here, with the channels that it gave. */
class TestConnections {
  generation = 1
  readonly opened: TestChannel[] = []
  readonly connection = this as unknown as Connection

  async openChannel(): Promise<RawChannel> {
    const channel = new TestChannel()
    this.opened.push(channel)
    return channel.raw
  }
}

const REFUSAL = Object.assign(new Error('PRECONDITION_FAILED'), { code: 406 })
const LOSS = new Error('the channel was lost')
let warnings: string[]
let declarations: Declarations
/** The names of what was declared, in order. */
let made: string[]

beforeEach(() => {
  warnings = []
  made = []
  declarations = new Declarations((reason) => warnings.push(reason))
})

/** A declaration that notes that it is made, and then fails where it is given an error. */
function declarationOf(
  name: string,
  fields: Partial<Declaration> = {},
  failure?: () => Error | undefined,
): Declaration {
  const declare = async () => {
    made.push(name)
    const error = failure?.()
    if (error !== undefined) throw error
  }
  return { name, isDeclared: false, declare, ...fields }
}

function onChannel(channel: TestChannel): Parameters<Declarations['once']>[1] {
  return (run) => run(channel)
}

test('what is asked for often at a time is declared once, and not again once it is', async () => {
  const declaration = declarationOf('queue a')
  const channel = new TestChannel()
  await Promise.all([1, 2, 3].map(() => declarations.once(declaration, onChannel(channel))))
  await declarations.once(declaration, onChannel(channel))

  expect(made).toEqual(['queue a'])
  expect(declaration.isDeclared).toBe(true)
  expect(channel.retired).toEqual([])
})

test('what is needed comes before, each once', async () => {
  const exchange = declarationOf('exchange e')
  const queue = declarationOf('queue a', { needs: [exchange] })
  await declarations.once(queue, onChannel(new TestChannel()))
  expect(made).toEqual(['exchange e', 'queue a'])

  const other = declarationOf('queue b', { needs: [exchange] })
  await declarations.declareOn(other, new TestChannel())
  expect(made).toEqual(['exchange e', 'queue a', 'queue b'])
})

test('on the channel of a lease what is needed comes before too', async () => {
  const queue = declarationOf('queue a', { needs: [declarationOf('exchange e')] })
  await declarations.declareOn(queue, new TestChannel())
  expect(made).toEqual(['exchange e', 'queue a'])
})

test('what the broker refuses is used as it is, after one warning', async () => {
  const declaration = declarationOf('queue a', {}, () => REFUSAL)
  const channel = new TestChannel()
  await declarations.once(declaration, onChannel(channel))

  expect(warnings).toEqual(['queue a was not declared: PRECONDITION_FAILED'])
  expect([declaration.isDeclared, channel.retired]).toEqual([true, []])
})

test('a channel that is lost under a declaration is retired, and another one declares', async () => {
  let times = 0
  const declaration = declarationOf('queue a', {}, () => (times++ === 0 ? LOSS : undefined))
  const channels = [new TestChannel(), new TestChannel()]
  let next = 0
  await declarations.once(declaration, (run) => run(channels[next++] as TestChannel))

  expect(made).toEqual(['queue a', 'queue a'])
  expect(channels.map(({ retired }) => retired)).toEqual([['a declaration was not answered'], []])
  expect([declaration.isDeclared, warnings]).toEqual([true, []])
})

test('a declaration that fails on every channel is tried at once, and then less and less often', async () => {
  jest.useFakeTimers()
  try {
    const declaration = declarationOf('queue a', {}, () => (made.length < 10 ? LOSS : undefined))
    const declaring = declarations.once(declaration, (run) => run(new TestChannel()))
    await jest.advanceTimersByTimeAsync(0)
    expect(made).toHaveLength(2)
    await jest.advanceTimersByTimeAsync(100)
    expect(made).toHaveLength(3)
    await jest.advanceTimersByTimeAsync(200)
    expect(made).toHaveLength(4)
    await jest.advanceTimersByTimeAsync(10_000)
    await declaring

    expect([made.length, declaration.isDeclared]).toEqual([10, true])
  } finally {
    jest.useRealTimers()
  }
})

test.each([
  [undefined, 5_000],
  [100, 100],
])('a declaration with a limitMs of %p has %d ms to be answered', async (limitMs, ms) => {
  jest.useFakeTimers()
  try {
    const declaration = declarationOf('queue a', {
      limitMs,
      declare: () => new Promise(() => {}),
    } as Partial<Declaration>)
    const channel = new TestChannel()
    const declaring = declarations.declareOn(declaration, channel)
    await jest.advanceTimersByTimeAsync(ms - 1)
    expect(channel.retired).toEqual([])
    await jest.advanceTimersByTimeAsync(1)
    await declaring

    expect(channel.retired).toEqual(['a declaration was not answered'])
    expect(declaration.isDeclared).toBe(false)
  } finally {
    jest.useRealTimers()
  }
})

test('a known declaration that is not answered on a new connection is told by its name', async () => {
  jest.useFakeTimers()
  try {
    let isSilent = false
    const declare = () => (isSilent ? new Promise<void>(() => {}) : Promise.resolve())
    await declarations.declareOn(declarationOf('queue a', { declare, limitMs: 100 }), new TestChannel())
    isSilent = true
    const failure = failureOf(declarations.restore(new TestConnections().connection))
    await jest.advanceTimersByTimeAsync(100)

    expect((await failure).message).toBe('the broker did not answer the declaration of queue a in 100 ms')
  } finally {
    jest.useRealTimers()
  }
})

test('what was forgotten is declared again for the next who asks', async () => {
  const declaration = declarationOf('queue a', { queue: 'a' })
  const channel = new TestChannel()
  await declarations.once(declaration, onChannel(channel))
  declarations.forget('', 'a')
  await declarations.once(declaration, onChannel(channel))

  expect(made).toEqual(['queue a', 'queue a'])
})

test('a new connection gets all that is known, once, on the channel that it gives', async () => {
  const test = new TestConnections()
  for (const name of ['queue a', 'queue b']) await declarations.declareOn(declarationOf(name), new TestChannel())
  made.length = 0
  const channel = await declarations.restore(test.connection)

  expect(made).toEqual(['queue a', 'queue b'])
  expect(test.opened).toEqual([channel])
  await declarations.restore(test.connection)
  expect(made).toEqual(['queue a', 'queue b'])
  test.generation++
  await declarations.restore(test.connection)
  expect(made).toHaveLength(4)
})

test('of several declarations of one name a new connection gets the last', async () => {
  const notes = (text: string) => declarationOf('queue a', { declare: async () => void made.push(text) })
  for (const text of ['first', 'last']) await declarations.declareOn(notes(text), new TestChannel())
  made.length = 0
  await declarations.restore(new TestConnections().connection)
  expect(made).toEqual(['last'])
})

test('a refusal on a new connection costs the channel, and is warned of no second time', async () => {
  const test = new TestConnections()
  await declarations.declareOn(
    declarationOf('queue a', {}, () => REFUSAL),
    new TestChannel(),
  )
  expect(warnings).toHaveLength(1)
  const channel = await declarations.restore(test.connection)

  expect(test.opened).toHaveLength(2)
  expect(channel).toBe(test.opened[1])
  expect(warnings).toHaveLength(1)
})

test('a loss as a new connection gets what is known closes the channel, and all is declared again later', async () => {
  const test = new TestConnections()
  let isLost = false
  const declaration = declarationOf('queue a', {}, () => (isLost ? LOSS : undefined))
  await declarations.declareOn(declaration, new TestChannel())
  isLost = true
  expect(await failureOf(declarations.restore(test.connection))).toBe(LOSS)
  expect(test.opened[0]?.close).toHaveBeenCalledTimes(1)

  isLost = false
  made.length = 0
  await declarations.restore(test.connection)
  expect(made).toEqual(['queue a'])
})

test('what a message found missing is declared again, with what it needs', async () => {
  const exchange = declarationOf('exchange e', { exchange: 'e' })
  const bound = declarationOf('queue a', { queue: 'a', exchange: 'e', needs: [exchange] })
  const plain = declarationOf('queue b', { queue: 'b' })
  for (const declaration of [bound, plain]) await declarations.declareOn(declaration, new TestChannel())

  expect(declarations.forget('', 'c')).toBe(false)
  expect(declarations.forget('', 'b')).toBe(true)
  expect([exchange, bound, plain].map(({ isDeclared }) => isDeclared)).toEqual([true, true, false])
  expect(declarations.forget('other', 'b')).toBe(false)
  expect(declarations.forget('e', 'any')).toBe(true)
  expect([exchange, bound, plain].map(({ isDeclared }) => isDeclared)).toEqual([false, false, false])
  expect(declarations.forget('e', 'any')).toBe(false)

  made.length = 0
  await declarations.restore(new TestConnections().connection)
  expect(made).toEqual([])
})
