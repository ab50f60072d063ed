import { expect, jest, test } from '@jest/globals'
import { closing, OPEN_OK, type Script, startScriptedServer } from '../amqp/scripted-server.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool } from '../support/pools.ts'

const MESSAGE = { routingKey: 'q', body: 'x' }
const REFUSED_PAUSE_MS = 30_000
const trueTime = performance.now.bind(performance)

/** Refuses the connections of these numbers, counted from 1, and opens the others. */
function refusing(...refused: number[]): Script {
  const no = closing('ConnectionClose', 530, 'NOT_ALLOWED - connection limit (1) is reached')
  return { ConnectionOpen: (times) => [refused.includes(times) ? no : OPEN_OK] }
}

/** Puts the clock that times are measured by that much ahead of the true one. */
function passTime(ms: number): void {
  jest.spyOn(performance, 'now').mockImplementation(() => trueTime() + ms)
}

test('that a connection consumes is no end of the refusal of those that publish, and they are tried again', async () => {
  await using server = await startScriptedServer(refusing(1))
  const pool = makePool({ broker: server.url })
  const refused = { code: 'ERR_BROKER_REFUSED', outcome: 'not-sent' }
  expect(await failureOf(pool.publish(MESSAGE))).toMatchObject(refused)
  pool.subscribe({ name: 'test', declare: async () => 'q', received: () => {} })
  await until(() => pool.stats().connections === 1)

  const error = await failureOf(pool.publish(MESSAGE))
  expect(error).toMatchObject(refused)
  expect(error.retryAfterMs).toBeGreaterThan(10_000)
  expect(pool.state).toBe('refused')
  passTime(REFUSED_PAUSE_MS)
  expect(await failureOf(pool.publish(MESSAGE))).toMatchObject(refused)
  await until(() => pool.state === 'open')
})

/** Keeps each pause before a refused connection is tried again: its timer, and what the timer runs. */
function watchPauses(): () => { run(): void; timer: NodeJS.Timeout }[] {
  const { mock } = jest.spyOn(globalThis, 'setTimeout')
  return () =>
    mock.calls.flatMap(([run, ms = 0], index) => {
      const timer = mock.results[index]?.value as NodeJS.Timeout
      return ms > 20_000 && ms <= REFUSED_PAUSE_MS ? [{ run, timer }] : []
    })
}

test('a connection that was refused while others live is tried again by the clock', async () => {
  await using server = await startScriptedServer(refusing(2, 3))
  const pauses = watchPauses()
  const pool = makePool({ broker: server.url, connections: 2 })
  await until(() => pauses().length > 0 && pool.state === 'open')
  const { length } = pauses()

  passTime(REFUSED_PAUSE_MS)
  pauses().at(-1)?.run()
  await until(() => pauses().length > length)
  expect([server.connections, pool.stats().connections]).toEqual([3, 1])
  passTime(2 * REFUSED_PAUSE_MS)
  pauses().at(-1)?.run()
  await until(() => pool.stats().connections === 2)
})

test('a refused connection keeps no process running, and is not tried again once the pool is closed', async () => {
  await using server = await startScriptedServer(refusing(2))
  const pauses = watchPauses()
  const cleared = jest.spyOn(globalThis, 'clearTimeout')
  const pool = makePool({ broker: server.url, connections: 2 })
  await until(() => pauses().length > 0 && pool.state === 'open')
  const timer = pauses().at(-1)?.timer as NodeJS.Timeout
  expect(timer.hasRef()).toBe(false)
  await pool.close()

  expect(cleared).toHaveBeenCalledWith(timer)
})

test('a process that is busy while its pool connects is not told that the broker is away', async () => {
  await using server = await startScriptedServer()
  const pool = makePool({ broker: server.url, failFastAfterMs: 1_000 })
  passTime(2_000)
  const acquiring = pool.acquire({ timeoutMs: 100 })

  // It waited for its channel, which this server does not open.
  expect(await failureOf(acquiring)).toMatchObject({ code: 'ERR_ACQUIRE_TIMEOUT' })
})
