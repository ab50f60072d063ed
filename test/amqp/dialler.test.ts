import { beforeEach, expect, jest, test } from '@jest/globals'
import type { ChannelModel } from 'amqplib'
import { parseBrokerUrl } from '../../lib/amqp/broker-url.ts'
import type { ConnectSettings } from '../../lib/amqp/connect-attempt.ts'
import { Dialler, type DiallerOwner } from '../../lib/amqp/dialler.ts'
import type { PooledProducerError } from '../../lib/errors.ts'
import type { Login } from '../../lib/login.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { pass, stopTime } from '../support/stopped-time.ts'
import { CONNECTION_SETTINGS } from './recorded-owners.ts'
import { closing, startScriptedServer } from './scripted-server.ts'

const [A, B, C] = ['amqp://a:5672/%2F', 'amqp://b:5672/%2F', 'amqp://c:5672/%2F'] as const
const LOGIN: Login = { username: 'me', password: 'right' }
const REFUSAL = closing('ConnectionClose', 530, 'NOT_ALLOWED - vhost not found')

beforeEach(() => {
  stopTime()
  // Each pause is the shortest that it can be: 50 ms, 100, 200 and so on.
  jest.spyOn(Math, 'random').mockReturnValue(0)
})

/** What a dialler told, in order. */
type Told =
  | { name: 'opened'; openMs: number; attempts: number }
  | { name: 'retrying'; attempt: number; delayMs: number; error: Error }
  | { name: 'refused'; error: PooledProducerError }

/** An attempt that waits for its login: to be given one, or to fail. */
interface Waiting {
  readonly answer: (login: Login) => void
  readonly fail: () => void
}

/**
 * A dialler whose attempts ask for a login first, each of which is answered with a login, fails at once or waits, and
 * what it tells.
 */
function newDialler(urls: readonly string[], ask: (attempt: number) => 'log in' | 'fail' | 'wait', id = 1) {
  const told: Told[] = []
  /** The nodes tried, and the attempts that wait, in order. */
  const tried: string[] = []
  const waiting: Waiting[] = []
  const owner: DiallerOwner = {
    // An error without a listener would end the process.
    connected: jest.fn((model: ChannelModel) => model.on('error', () => {})),
    opened: (_, details) => void told.push({ name: 'opened', ...details }),
    retrying: (details) => void told.push({ name: 'retrying', ...details }),
    refused: (error) => void told.push({ name: 'refused', error }),
    warned: () => {},
  }
  const credentials = (): Login | Promise<Login> => {
    const answer = ask(tried.push(dialler.broker))
    if (answer === 'log in') return LOGIN
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error('the vault is sealed'))
      if (answer === 'fail') fail()
      else waiting.push({ answer: resolve, fail })
    })
  }
  // Without heartbeats no timer is set but the dialler's.
  const settings: ConnectSettings = { ...CONNECTION_SETTINGS, heartbeatSeconds: 0, credentials }
  const nodes = urls.map((url) => parseBrokerUrl(url, credentials))
  const dialler = new Dialler(id, nodes, settings, owner)
  afterTest(() => dialler.stop())
  return { dialler, owner, told, tried, waiting }
}

test('connections begin with different nodes', () => {
  const brokers = [1, 2, 3, 4].map((id) => newDialler([A, B, C], () => 'wait', id).dialler.broker)

  expect(brokers).toEqual([A, B, C, A])
})

test('the nodes are tried in turn: at once within a round, and after growing pauses between the rounds', async () => {
  const { dialler, told, tried } = newDialler([A, B], () => 'fail')
  expect(dialler.nextAttemptMs).toBe(0)
  dialler.start()
  await pass(0)
  expect([dialler.broker, dialler.nextAttemptMs]).toEqual([A, 50])
  await pass(1_000)

  expect(tried).toEqual([A, B, A, B, A, B, A, B, A, B])
  expect(told).toMatchObject(
    [0, 50, 0, 100, 0, 200, 0, 400, 0, 500].map((delayMs, index) => ({
      name: 'retrying',
      attempt: index + 1,
      delayMs,
      error: { code: 'ERR_BROKER_UNAVAILABLE', message: expect.stringMatching(/the vault is sealed/) },
    })),
  )
})

test('while an attempt is under way there is no next one to wait for', async () => {
  const { dialler, tried } = newDialler([A], (attempt) => (attempt === 1 ? 'fail' : 'wait'))
  dialler.start()
  await pass(20)
  expect(dialler.nextAttemptMs).toBe(30)
  await pass(40)

  expect(tried).toHaveLength(2)
  expect(dialler.nextAttemptMs).toBe(0)
})

test('a node that answers is the one in use, and nothing is tried after it', async () => {
  await using server = await startScriptedServer()
  const { dialler, owner, told, tried } = newDialler([A, server.url], (attempt) => (attempt === 1 ? 'fail' : 'log in'))
  dialler.start()
  await pass(10)
  await until(() => told.length === 2)

  expect(told[1]).toEqual({ name: 'opened', attempts: 2, openMs: expect.any(Number) })
  expect(owner.connected).toHaveBeenCalledTimes(1)
  expect(dialler.broker).toBe(`${server.url}/%2F`)
  expect([tried.length, jest.getTimerCount()]).toEqual([2, 0])
})

test('an attempt without an answer in 1.5 s is followed by the next node, and may still be the one that wins', async () => {
  await using server = await startScriptedServer()
  const { dialler, told, tried, waiting } = newDialler([server.url, B], () => 'wait')
  dialler.start()
  await pass(1_499)
  expect(told).toEqual([])
  await pass(1)
  const { error } = told[0] as { error: PooledProducerError }
  expect(told).toMatchObject([{ name: 'retrying', attempt: 1, delayMs: 0, error: { code: 'ERR_BROKER_UNAVAILABLE' } }])
  expect(error.message).toBe(`${server.url}/%2F cannot be reached: no answer in 1500 ms`)
  await pass(500)
  expect(tried).toEqual([`${server.url}/%2F`, B])
  waiting[0]?.answer(LOGIN)
  await until(() => told.length > 1)

  expect(told[1]).toEqual({ name: 'opened', attempts: 2, openMs: 2_000 })
  expect(dialler.broker).toBe(`${server.url}/%2F`)
  // The other is given up, which is no failure.
  await pass(10_000)
  expect([told.length, tried.length, jest.getTimerCount()]).toEqual([2, 2, 0])
})

test('an attempt that fails after another was sent behind it causes no more of them', async () => {
  const { dialler, told, tried, waiting } = newDialler([A, B], () => 'wait')
  dialler.start()
  await pass(1_600)
  expect(tried).toEqual([A, B])
  waiting[0]?.fail()
  await pass(100)
  expect([told.length, tried.length]).toEqual([1, 2])

  waiting[1]?.fail()
  await pass(0)
  expect(told[1]).toMatchObject({ attempt: 2, delayMs: 50, error: { message: expect.stringMatching(/sealed/) } })
})

test('a node that refused is passed over in the rounds that follow', async () => {
  await using server = await startScriptedServer({ ConnectionOpen: [REFUSAL] })
  const { dialler, told, tried } = newDialler([server.url, B], (attempt) => (attempt === 1 ? 'log in' : 'fail'))
  dialler.start()
  await until(() => told.length === 1)
  await jest.advanceTimersToNextTimerAsync(3)

  expect(told.map(({ name }) => name)).toEqual(Array(4).fill('retrying'))
  expect(told[0]).toMatchObject({ delayMs: 0, error: { code: 'ERR_BROKER_REFUSED', retryable: false } })
  expect(tried.slice(1)).toEqual([B, B, B])
  expect([dialler.isExhausted, dialler.pauseMs]).toEqual([false, 0])
})

test('when the last node has refused nothing is tried until the next start, and no attempt is left', async () => {
  await using server = await startScriptedServer({ ConnectionOpen: [REFUSAL] })
  const { dialler, told, tried } = newDialler([server.url], (attempt) => (attempt === 1 ? 'wait' : 'log in'))
  dialler.start()
  await pass(1_510)
  await until(() => told.length === 2)

  expect(told).toMatchObject([{ name: 'retrying' }, { name: 'refused', error: { code: 'ERR_BROKER_REFUSED' } }])
  expect(jest.getTimerCount()).toBe(0)
  expect(dialler.isExhausted).toBe(true)
  expect(dialler.pauseMs).toBe(30_000)
  await pass(30_000)
  expect([dialler.isExhausted, dialler.pauseMs]).toEqual([false, 0])
  expect([told.length, tried.length]).toEqual([2, 2])
  dialler.start()
  await until(() => told.length === 3)
  expect(told[2]).toMatchObject({ name: 'refused' })
})

test('a start counts its attempts, and its rounds, anew', async () => {
  const { dialler, told } = newDialler([A], () => 'fail')
  dialler.start()
  await pass(100)
  expect(told).toMatchObject([
    { attempt: 1, delayMs: 50 },
    { attempt: 2, delayMs: 100 },
  ])
  dialler.stop()
  dialler.start()
  await pass(0)

  expect(told[2]).toMatchObject({ attempt: 1, delayMs: 50 })
})

test('a login that is refused though it is asked for anew has pauses that grow beyond a second', async () => {
  const script = { ConnectionStartOk: [closing('ConnectionClose', 403, 'ACCESS_REFUSED')] }
  await using server = await startScriptedServer(script)
  const { dialler, told } = newDialler([server.url], () => 'log in')
  dialler.start()
  for (let attempt = 1; attempt < 5; attempt++) {
    await until(() => told.length === attempt)
    await pass(500)
  }
  await until(() => told.length === 5)

  expect(told).toMatchObject([50, 100, 200, 400, 800].map((delayMs) => ({ name: 'retrying', delayMs })))
  expect(told[0]).toMatchObject({ error: { code: 'ERR_BROKER_REFUSED', retryable: true } })
})

test('after a loss it goes on with the next node, after the delay it is told, and counts anew', async () => {
  await using server = await startScriptedServer()
  const { dialler, told, tried } = newDialler([server.url, B], (attempt) => (attempt === 1 ? 'log in' : 'fail'))
  dialler.start()
  await until(() => told.length === 1)
  dialler.goOn(70)
  expect([dialler.broker, dialler.nextAttemptMs]).toEqual([B, 70])
  await pass(69)
  expect(tried).toHaveLength(1)
  await pass(1)

  expect(tried).toEqual([`${server.url}/%2F`, B])
  expect(told[1]).toMatchObject({ name: 'retrying', attempt: 1, delayMs: 0 })
})

test('stop gives up the attempts under way and those to come, and nobody is told', async () => {
  const { dialler, told, tried } = newDialler([A, B], () => 'wait')
  dialler.start()
  await pass(1_510)
  dialler.stop()
  await pass(10_000)

  expect([told.length, tried.length, jest.getTimerCount()]).toEqual([1, 2, 0])
})

test('stop between two attempts makes no more of them', async () => {
  const { dialler, tried } = newDialler([A], () => 'fail')
  dialler.start()
  await pass(10)
  dialler.stop()
  await pass(10_000)

  expect([tried.length, jest.getTimerCount()]).toEqual([1, 0])
})

test('a connection that opens as the dialling is stopped is closed, and nobody is told', async () => {
  await using server = await startScriptedServer()
  const { dialler, owner, told } = newDialler([server.url], () => 'log in')
  const closed = new Promise<void>((resolve) => {
    owner.connected = (model) => {
      const { close } = model
      model.close = () => {
        resolve()
        return close.call(model)
      }
      dialler.stop()
      return model.on('error', () => {})
    }
  })
  dialler.start()
  await closed

  expect(told).toEqual([])
})
