import { expect } from '@jest/globals'
import type { Celery } from '../../../lib/celery/celery.ts'
import { GroupResult } from '../../../lib/celery/results/group-result.ts'
import { uniqueName, useBroker } from '../../support/broker.ts'
import { celeryTest, useCeleryWorker } from '../../support/celery-worker.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp } from '../../support/pools.ts'

const broker = useBroker()
const worker = useCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })

const SOON = { timeoutMs: 20_000 }

function makeRpcApp(): Celery {
  return makeApp({ broker: broker.url, backend: 'rpc://', taskDefaultQueue: worker().queue })
}

/** Listens to the states of a task before it is sent, so that none can have passed unheard, until it has ended. */
async function heardFromTheStart(app: Celery, name: string, args: unknown[]) {
  const result = app.asyncResult(uniqueName('task'))
  const told: [state: string, info: unknown][] = []
  const listening = (async () => {
    for await (const { state, info } of result.progress(SOON)) told.push([state, info])
  })()
  await app.sendTask(name, args, {}, { taskId: result.taskId })
  await listening
  return { result, told }
}

/** Nothing is left in the books. */
const NOTHING = { waiting: 0, kept: 0, keptBytes: 0, dropped: 0, evicted: 0 }

celeryTest('a task that succeeds gives its value, as often as it is asked for', async () => {
  const app = makeRpcApp()
  const result = await app.createTask<[number, number], number>('tasks.add').delay(2, 3)

  expect(await result.get(SOON)).toBe(5)
  expect(await result.get(SOON)).toBe(5)
  expect(result).toMatchObject({ state: 'SUCCESS', result: 5, info: 5, error: undefined, traceback: undefined })
  expect([result.ready(), result.successful(), result.failed()]).toEqual([true, true, false])
  expect(app.resultStats()).toMatchObject({ ...NOTHING, received: 1 })
})

celeryTest('a task that fails rejects with the exception of the worker', async () => {
  const app = makeRpcApp()
  const result = await app.sendTask('tasks.fail_with', ['boom'])
  const error = await failureOf(result.get(SOON))

  expect(error).toMatchObject({
    code: 'ERR_TASK_FAILED',
    message: `task ${result.taskId} failed: ValueError: boom`,
    taskId: result.taskId,
    retryable: false,
    remote: {
      type: 'ValueError',
      message: 'boom',
      module: 'builtins',
      traceback: expect.stringMatching(/^Traceback[\s\S]*raise ValueError[\s\S]*ValueError: boom/),
    },
  })
  expect(result).toMatchObject({ state: 'FAILURE', result: undefined, error: { code: 'ERR_TASK_FAILED' } })
  expect(result.traceback).toBe(error.remote?.traceback)
  expect([result.ready(), result.successful(), result.failed()]).toEqual([true, false, true])
})

celeryTest('the exception has its text as in Python, whatever its arguments', async () => {
  const app = makeRpcApp()
  const given = [[], ['one'], [7], [null], ["it's", 7], [{ a: true }], ['é 🐘']]
  const results = await Promise.all(given.map((args) => app.sendTask('tasks.fail_with', args)))
  const errors = await Promise.all(results.map((result) => failureOf(result.get(SOON))))

  expect(errors.map(({ remote }) => remote?.message)).toEqual([
    '',
    'one',
    '7',
    'None',
    "('it\\'s', 7)",
    "{'a': True}",
    'é 🐘',
  ])
})

celeryTest('a task that no worker knows fails with NotRegistered', async () => {
  const result = await makeRpcApp().sendTask('tasks.unheard_of')

  expect(await failureOf(result.get(SOON))).toMatchObject({
    code: 'ERR_TASK_FAILED',
    remote: { type: 'NotRegistered', module: 'celery.exceptions' },
  })
})

celeryTest('a task that is retried gives the value of its last try, and says RETRY on the way', async () => {
  const { result, told } = await heardFromTheStart(makeRpcApp(), 'tasks.retry_once', [])

  expect(told.map(([state]) => state)).toEqual(['RETRY'])
  expect(await result.get(SOON)).toBe(1)
})

celeryTest('the states of a task of its own come in their order, and end with it', async () => {
  const { result, told } = await heardFromTheStart(makeRpcApp(), 'tasks.progress', [3])

  expect(told).toEqual([1, 2, 3].map((step) => ['PROGRESS', { step, of: 3 }]))
  expect(result.state).toBe('SUCCESS')
  expect(await result.get(SOON)).toBe(3)
  for await (const progress of result.progress(SOON)) expect(progress).toBeUndefined()
})

celeryTest('a task that expired unstarted is ERR_TASK_REVOKED', async () => {
  const result = await makeRpcApp().sendTask('tasks.add', [1, 2], {}, { expires: new Date(Date.now() - 60_000) })

  expect(await failureOf(result.get(SOON))).toMatchObject({
    code: 'ERR_TASK_REVOKED',
    message: `task ${result.taskId} was revoked: expired`,
    remote: { type: 'TaskRevokedError', message: 'expired' },
  })
  expect([result.ready(), result.failed()]).toEqual([true, false])
})

celeryTest('a result that nobody waits for is sent nowhere, and asking for it says so at once', async () => {
  const app = makeRpcApp()
  const ignored = await app.sendTask('tasks.add', [1, 2], {}, { ignoreResult: true })
  const awaited = await app.sendTask('tasks.add', [1, 2])
  await awaited.get(SOON)

  expect(await failureOf(ignored.get(SOON))).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining('ignoreResult'),
  })
  expect(ignored.state).toBe('PENDING')
  expect(app.resultStats()).toMatchObject({ ...NOTHING, received: 1 })
})

celeryTest('numbers that JSON has no words for come as they are', async () => {
  const result = await makeRpcApp().sendTask('tasks.not_a_number')

  expect(await result.get(SOON)).toEqual({ nan: Number.NaN, up: Infinity, down: -Infinity, text: '"NaN" \\ Infinity' })
})

celeryTest('what a task has started are its children', async () => {
  const result = await makeRpcApp().sendTask('tasks.spawn', [4])
  await result.get(SOON)

  expect(result.children).toEqual([expect.objectContaining({ taskId: expect.any(String), parent: result })])
})

celeryTest('the results of a group come in the order of the group', async () => {
  const app = makeRpcApp()
  const numbers = Array.from({ length: 50 }, (_, n) => n)
  const results = await Promise.all(numbers.map((n) => app.sendTask('tasks.add', [n, n])))
  const group = new GroupResult<number[]>('a group', results)

  expect(await group.get(SOON)).toEqual(numbers.map((n) => 2 * n))
  expect([group.ready(), group.successful(), group.failed(), group.completedCount()]).toEqual([true, true, false, 50])
  expect(app.resultStats()).toMatchObject({ ...NOTHING, received: 50 })
})

celeryTest('the first failure of a group ends the wait for the others, and settled tells of each', async () => {
  const app = makeRpcApp()
  const slow = await app.sendTask('tasks.add', [1, 1], {}, { countdown: 3_600 })
  const failing = await app.sendTask('tasks.fail')
  const group = new GroupResult('a group', [slow, failing])
  const error = await failureOf(group.get(SOON))

  expect(error).toMatchObject({ code: 'ERR_TASK_FAILED', taskId: failing.taskId })
  expect(group.failed()).toBe(true)
  expect(app.resultStats().waiting).toBe(0)
  expect(await group.settled({ timeoutMs: 50 })).toEqual([
    { status: 'rejected', reason: expect.objectContaining({ code: 'ERR_RESULT_TIMEOUT', taskId: slow.taskId }) },
    { status: 'rejected', reason: expect.objectContaining({ code: 'ERR_TASK_FAILED' }) },
  ])
})

celeryTest(
  'two thousand tasks, three hundred at a time, have each its own result',
  async () => {
    const app = makeRpcApp()
    const add = app.createTask<[number, number], number>('tasks.add')
    let next = 0
    const runSome = async (): Promise<void> => {
      while (next < 2_000) {
        const n = next++
        expect(await (await add.delay(n, 1)).get({ timeoutMs: 60_000 })).toBe(n + 1)
      }
    }
    await Promise.all(Array.from({ length: 300 }, runSome))

    expect(app.resultStats()).toMatchObject({ ...NOTHING, received: 2_000 })
  },
  120_000,
)
