import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect } from '@jest/globals'
import { type AsyncResult, type Celery, chain, chord, type GroupResult, group } from '../../../lib/index.ts'
import { useBroker } from '../../support/broker.ts'
import { celeryTest, startCeleryWorker, useCeleryWorker } from '../../support/celery-worker.ts'
import { until } from '../../support/condition.ts'
import { failureOf } from '../../support/failure.ts'
import { makeApp } from '../../support/pools.ts'

const broker = useBroker()
const WAIT = { timeoutMs: 30_000 }

describe('with a backend that brings results', () => {
  const worker = useCeleryWorker({ brokerUrl: broker.url, backend: 'rpc://' })

  function tasks(app: Celery = makeApp({ broker: broker.url, backend: 'rpc://' })) {
    const options = { queue: worker().queue }
    return {
      add: app.createTask<[number, number], number>('tasks.add', options),
      mul: app.createTask<[number, number], number>('tasks.mul', options),
      xsum: app.createTask<[number[]], number>('tasks.xsum', options),
      echo: app.createTask('tasks.echo', options),
      fail: app.createTask('tasks.fail', options),
    }
  }

  celeryTest('a chain hands each result on, and every step of it can be awaited', async () => {
    const { add, mul } = tasks()
    const result = await chain(add.s(2, 3), mul.s(4), add.si(1, 1), add.s(40)).applyAsync()

    expect(await result.get(WAIT)).toBe(42)
    const before = [result.parent, result.parent?.parent, result.parent?.parent?.parent]
    expect(await Promise.all(before.map((step) => step?.get(WAIT)))).toEqual([2, 20, 5])
  })

  celeryTest('a group gives its results in its order, those of chains and groups in it too', async () => {
    const { add, mul } = tasks()
    const flow = group<ReturnType<typeof add.s>>(
      add.s(1, 1),
      chain(add.s(2, 2), mul.s(10)) as never,
      group(mul.s(3, 3), add.s(4, 4)) as never,
    )
    const result = await flow.applyAsync()

    expect(await result.get(WAIT)).toEqual([2, 40, 9, 8])
  })

  celeryTest('a group at the end of a chain gets the result of what comes before it', async () => {
    const { add } = tasks()
    const result = await chain(add.s(1, 1), group(add.s(10), add.s(20))).applyAsync()

    expect(await result.get(WAIT)).toEqual([12, 22])
    expect(await result.parent?.get(WAIT)).toBe(2)
  })

  celeryTest('a map, a starmap and chunks of a task give the lists of its results', async () => {
    const { add, xsum } = tasks()
    const mapped = await xsum
      .map([
        [1, 2],
        [3, 4],
      ])
      .applyAsync()
    const star = await add
      .starmap([
        [1, 2],
        [3, 4],
      ])
      .applyAsync()
    const chunks = await add
      .chunks(
        [
          [1, 1],
          [2, 2],
          [3, 3],
        ],
        2,
      )
      .applyAsync()

    expect(await mapped.get(WAIT)).toEqual([3, 7])
    expect(await star.get(WAIT)).toEqual([3, 7])
    expect(await chunks.get(WAIT)).toEqual([[2, 4], [6]])
  })

  celeryTest('a link gets the result, and its own is among the children', async () => {
    const { add, mul } = tasks()
    const result = await add.applyAsync([2, 3], {}, { link: [mul.s(10), chain(mul.s(2), add.s(1))] })

    expect(await result.get(WAIT)).toBe(5)
    await until(() => /tasks\.mul\[\S+\] succeeded in \S+ 50/.test(worker().output()))
    await until(() => /tasks\.add\[\S+\] succeeded in \S+ 11/.test(worker().output()))
    expect(result.children.flat().length).toBeGreaterThanOrEqual(1)
  })

  celeryTest('what a worker sends by a retry policy of ours runs: a later step, a link and an errback', async () => {
    const retryPolicy = { maxRetries: 2, intervalStart: 0, intervalStep: 0.1, intervalMax: 0.2 }
    const app = makeApp({ broker: broker.url, backend: 'rpc://', taskPublishRetryPolicy: retryPolicy })
    const { add, echo, fail, xsum } = tasks(app)
    const patient = { retryPolicy }
    const result = await chain(
      add.s(1, 1),
      add.signature([1], {}, patient).link(echo.signature(['linked'], {}, patient)),
    ).applyAsync()
    const sum = xsum.signature([[70, 7]], {}, patient).set({ immutable: true })
    await fail.s('no').linkError(sum).applyAsync()

    expect(await result.get(WAIT)).toBe(3)
    await until(() => /tasks\.echo\[\S+\] succeeded .*\(3, 'linked'\)/.test(worker().output()))
    await until(() => /tasks\.xsum\[\S+\] succeeded in \S+ 77/.test(worker().output()))
  })

  celeryTest('a chain and a map run as errbacks, of a task and of a chain, and the worker lives on', async () => {
    const { add, echo, fail } = tasks()
    const told = (name: string) => chain(echo.si(name), echo.si(`after ${name}`))
    await fail.applyAsync(['no'], {}, { linkError: told('the option') })
    await fail
      .s('no')
      .linkError(told('the signature'))
      .linkError(echo.map(['in a map']))
      .applyAsync()
    await chain(add.s(1, 1), fail.si('no'), echo.s()).linkError(told('the chain')).applyAsync()

    for (const name of ['after the option', 'after the signature', 'after the chain', 'in a map']) {
      await until(() => new RegExp(`succeeded .*'${name}'`).test(worker().output()))
    }
    expect(await (await add.delay(2, 3)).get(WAIT)).toBe(5)
  })

  celeryTest('stamps of a later step are nothing to a worker before Celery 5.3', async () => {
    const { add } = tasks()
    const result = await chain(add.s(1, 1), add.signature([1], {}, { stamps: { tenant: 'acme' } })).applyAsync()

    expect(await result.get(WAIT)).toBe(3)
  })

  celeryTest('a step that fails rejects all that comes after it, where the worker says nothing of it', async () => {
    const { add, fail } = tasks()
    const result = await chain(fail.s('first of all'), add.s(1), group(add.s(10), add.s(20))).applyAsync()
    const first = result.parent?.parent

    for (const after of [result, result.parent]) {
      expect(await failureOf(after?.get(WAIT) as Promise<unknown>)).toMatchObject({
        code: 'ERR_TASK_FAILED',
        remote: { message: 'first of all' },
      })
    }
    expect(await failureOf(first?.get(WAIT) as Promise<unknown>)).toMatchObject({ taskId: first?.id })
  })

  celeryTest('the tasks of a workflow are revoked by its results', async () => {
    const { add } = tasks()
    const result = await chain(add.signature([1, 1], {}, { countdown: 3_600 }), add.s(1)).applyAsync()
    const first = result.parent as AsyncResult
    await Promise.all([result.revoke(), first.revoke()])

    const revoked = (id: string) => new RegExp(`Tasks flagged as revoked: .*${id}`).test(worker().output())
    await until(() => revoked(result.taskId) && revoked(first.taskId))
  })

  celeryTest('a member that fails rejects the group with its error, and its errback is called', async () => {
    const { add, fail, xsum } = tasks()
    const errback = xsum.signature([[70, 8]]).set({ immutable: true })
    const result = await group(add.s(1, 1), fail.s('on purpose').linkError(errback)).applyAsync()

    await expect(result.get(WAIT)).rejects.toMatchObject({ code: 'ERR_TASK_FAILED' })
    expect(await result.results[0]?.get(WAIT)).toBe(2)
    await until(() => /tasks\.xsum\[\S+\] succeeded in \S+ 78/.test(worker().output()))
  })

  celeryTest('a step that fails ends the chain, and the errback of the chain is told', async () => {
    const { add, fail, echo, xsum } = tasks()
    const errback = xsum.signature([[70, 9]]).set({ immutable: true })
    const result = await chain(add.s(1, 1), fail.si('half way'), echo.s()).linkError(errback).applyAsync()

    await expect(result.parent?.get(WAIT)).rejects.toMatchObject({ code: 'ERR_TASK_FAILED' })
    expect(await result.parent?.parent?.get(WAIT)).toBe(2)
    // The worker says of each step that is left that it failed.
    await expect(result.get(WAIT)).rejects.toMatchObject({ code: 'ERR_TASK_FAILED' })
    await until(() => /tasks\.xsum\[\S+\] succeeded in \S+ 79/.test(worker().output()))
  })
})

celeryTest(
  'a chord is started by a worker, with the backend of the worker: nested, in a chain, and with a chain as its body',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'chords-'))
    const worker = await startCeleryWorker({ brokerUrl: broker.url, backend: `file://${folder}` })
    try {
      const app = makeApp({ broker: broker.url })
      const options = { queue: worker.queue }
      const [add, xsum] = [app.createTask('tasks.add', options), app.createTask('tasks.xsum', options)]
      const ended = async (sent: Promise<AsyncResult | GroupResult>): Promise<string> => {
        const { id } = await sent
        const line = new RegExp(`\\[${id}\\] succeeded in \\S+ (.+)$`, 'm')
        await until(() => line.test(worker.output()), 40_000)
        return line.exec(worker.output())?.[1] as string
      }
      const inner = chord([add.s(1, 1), add.s(2, 2)], xsum.s())

      expect(
        await Promise.all([
          ended(inner.applyAsync()),
          ended(chain(add.s(1, 1), group(add.s(1), add.s(2)), xsum.s(), add.s(100)).applyAsync()),
          ended(chain(group(add.s(1, 1), add.s(2, 2)), xsum.s(), add.s(10)).applyAsync()),
          ended(chord([inner, add.s(5, 5)], chain(xsum.s(), add.s(1000))).applyAsync()),
        ]),
      ).toEqual(['6', '107', '16', '1016'])
    } finally {
      await worker.stop()
      rmSync(folder, { recursive: true })
    }
  },
  120_000,
)
