import { describe, expect, test } from '@jest/globals'
import { createCelery } from '../../lib/celery/celery.ts'
import { PooledProducerError } from '../../lib/errors.ts'
import { createTestCelery } from '../../lib/testing/recorded-celery.ts'
import { afterTest } from '../support/cleanup.ts'
import { failureOf } from '../support/failure.ts'
import { startScript } from '../support/script.ts'

describe('createTestCelery', () => {
  test('keeps each task as the message that would be sent', async () => {
    const app = createTestCelery({ taskDefaultQueue: 'mail', taskRoutes: { 'math.*': 'numbers' } })
    const { taskId } = await app.sendTask('mail.welcome', ['ada'], { lang: 'en' }, { priority: 5, headers: { a: 1 } })
    await app.createTask('math.add', { compression: 'gzip', countdown: 60 }).delay(2, 3)

    expect(app.sent).toMatchObject([
      {
        name: 'mail.welcome',
        taskId,
        args: ['ada'],
        kwargs: { lang: 'en' },
        exchange: '',
        routingKey: 'mail',
        mandatory: true,
        headers: { task: 'mail.welcome', id: taskId, a: 1, argsrepr: "('ada',)" },
        properties: { priority: 5, contentType: 'application/json', correlationId: taskId },
      },
      { name: 'math.add', args: [2, 3], routingKey: 'numbers', headers: { eta: expect.any(String) } },
    ])
    app.clear()
    expect(app.sent).toEqual([])
  })

  test('keeps tasks of protocol v1, and bodies that are no JSON', async () => {
    const app = createTestCelery({ taskProtocol: 1 })
    await app.sendTask('tasks.add', [1], { a: 2 })
    const other = createTestCelery({ taskSerializer: 'msgpack' })
    await other.sendTask('tasks.add', [1])

    expect(app.sent).toMatchObject([{ name: 'tasks.add', args: [1], kwargs: { a: 2 } }])
    expect(other.sent).toMatchObject([{ name: 'tasks.add', args: [], body: expect.any(Buffer) }])
  })

  test('refuses what a real app refuses, and keeps nothing of it', async () => {
    const app = createTestCelery()
    const errors = await Promise.all([
      failureOf(app.sendTask('tasks.add', [undefined])),
      failureOf(app.sendTask('tasks.add', [], {}, { prioriy: 1 } as object)),
      failureOf(app.createTask('tasks.add').applyAsync([], {}, { countdown: Number.NaN })),
    ])

    for (const error of errors) expect(error).toMatchObject({ code: 'ERR_INVALID_TASK', outcome: 'not-sent' })
    expect(app.sent).toEqual([])
    expect(() => createTestCelery({ taskProtocol: 3 as 2 })).toThrow(/taskProtocol/)
  })

  test('has the results that a test gives its tasks, before or after they are asked for', async () => {
    const app = createTestCelery()
    const add = app.createTask<[number, number], number>('tasks.add')
    const [early, late, failed] = [await add.delay(1, 2), await add.delay(3, 4), await add.delay(5, 6)]
    app.succeed(early.taskId, 3)
    const waiting = late.get()
    app.succeed(late.taskId, 7)
    app.fail(failed.taskId, new TypeError('no numbers'))

    expect([await early.get(), await waiting]).toEqual([3, 7])
    expect(await failureOf(failed.get())).toMatchObject({
      code: 'ERR_TASK_FAILED',
      remote: { type: 'TypeError', message: 'no numbers' },
    })
    expect(late.state).toBe('SUCCESS')
    await expect((await add.delay(1, 1)).get({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_RESULT_TIMEOUT' })
  })

  test('runs what a test gives it for a name', async () => {
    const app = createTestCelery().handle('tasks.add', ([x, y], { z = 0 }) => Number(x) + Number(y) + Number(z))
    const result = await app.sendTask('tasks.add', [2, 3], { z: 4 })

    expect(await result.get()).toBe(9)
  })

  test('rejects the publish that a test has fail', async () => {
    const app = createTestCelery()
    const away = new PooledProducerError('ERR_BROKER_UNAVAILABLE', 'away', { outcome: 'not-sent' })
    app.rejectNext(away)

    expect(await failureOf(app.sendTask('tasks.first'))).toBe(away)
    await app.sendTask('tasks.second')
    expect(app.sent.map(({ name }) => name)).toEqual(['tasks.second'])
  })

  test('calls listeners as a real app does, and closes', async () => {
    const app = createTestCelery()
    app.on('beforeTaskPublish', ({ headers }) => Object.assign(headers, { tenant: 'acme' }))
    await app.sendTask('tasks.add')
    const waiting = failureOf((await app.sendTask('tasks.add')).get())
    await app.close()

    expect(app.sent[0]?.headers.tenant).toBe('acme')
    expect(await waiting).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  })

  test('runs the handlers that it was made with, as an app that is eager does', async () => {
    const app = createTestCelery({ taskHandlers: { 'math.add': ([x, y]) => Number(x) + Number(y) } })
    const result = await app.sendTask('math.add', [2, 3])

    expect(await result.get()).toBe(5)
    expect(() => createTestCelery({ taskHandlers: { 'math.add': 5 as never } })).toThrow(/taskHandlers\.math\.add/)
  })

  test('keeps ten thousand results, and lets the oldest go first', () => {
    const app = createTestCelery()
    for (let n = 0; n <= 10_000; n++) app.succeed(`task ${n}`, n)

    expect(app.resultStats()).toMatchObject({ kept: 10_000, received: 10_001, evicted: 1 })
    expect(app.asyncResult('task 0').state).toBe('PENDING')
    expect(app.asyncResult('task 1').result).toBe(1)
  })

  test('has no broker to lease a channel of, or to publish to', async () => {
    const { pool } = createTestCelery()
    const refused = { code: 'ERR_INVALID_OPTION', message: 'there is no broker here: tasks run in this process' }

    await expect(pool.acquire()).rejects.toMatchObject(refused)
    await expect(pool.use(() => 1)).rejects.toMatchObject(refused)
    await expect(pool.publish({ routingKey: 'q', body: 'x' })).rejects.toMatchObject(refused)
  })

  test('has a pool that is asked as any other: its options, its events, its leases', async () => {
    const app = createTestCelery()
    let closed = 0
    const count = () => closed++
    app.pool.on('close', count)

    expect(app.pool.options).toMatchObject({ broker: [], name: 'local', publishTimeoutMs: 10_000 })
    expect(() => app.pool.on('conect' as never, count)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
    expect(() => app.pool.release({} as never)).toThrow(expect.objectContaining({ code: 'ERR_NOT_LEASED' }))
    await app.close()
    await app.pool.close()
    expect(closed).toBe(1)
  })

  test('counts what was sent, and takes nothing more once its pool is closed', async () => {
    const app = createTestCelery()
    const { pool } = app
    await Promise.all([pool.ready(), pool.drain(), app.sendTask('tasks.add')])
    app.rejectNext(new PooledProducerError('ERR_UNROUTABLE', 'no queue'))
    await failureOf(app.sendTask('tasks.add'))

    expect(pool.stats()).toMatchObject({
      state: 'open',
      publishes: 2,
      confirms: 1,
      failures: 1,
      waiting: 0,
      inFlight: 0,
    })
    expect(await pool.close()).toEqual({ confirmed: 0, unknown: [], notSent: [] })
    expect(pool.state).toBe('closed')
    expect(await failureOf(app.sendTask('tasks.add'))).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent' })
    expect(app.sent).toHaveLength(1)
  })
})

test('a wait for a result rejects in time, though nothing else keeps the process alive', async () => {
  const script = startScript(`
    import { createTestCelery } from '../../lib/testing/recorded-celery.ts'
    const result = await createTestCelery().sendTask('tasks.add')
    console.log(await result.get({ timeoutMs: 50 }).catch(({ code }) => code))
  `)
  afterTest(() => script.process.kill('SIGKILL'))

  expect(await script.nextLine()).toBe('ERR_RESULT_TIMEOUT')
  expect(await script.ended).toEqual({ code: 0, signal: null })
})

describe('taskAlwaysEager', () => {
  const taskHandlers = {
    'tasks.add': ([x, y]: unknown[]) => Number(x) + Number(y),
    'tasks.date': () => new Date(0),
    'tasks.fail': async () => {
      throw new RangeError('too far')
    },
  }

  test('runs tasks in this process, with arguments and results as JSON carries them', async () => {
    await using app = createCelery({ taskAlwaysEager: true, taskHandlers })
    const results = [
      await app.createTask('tasks.add').delay(2, 3),
      await app.sendTask('tasks.add', [4, 5], {}, { countdown: 60, compression: 'gzip' }),
      await app.sendTask('tasks.date'),
    ]

    expect(await Promise.all(results.map((result) => result.get()))).toEqual([5, 9, '1970-01-01T00:00:00.000Z'])
    await expect(app.sendTask('tasks.add', [1n])).rejects.toMatchObject({ code: 'ERR_INVALID_TASK' })
  })

  test.each([
    [{ serializer: 'msgpack' }, 'application/x-msgpack'],
    [{ serializer: 'yaml' }, 'application/x-yaml'],
    [{ compression: 'own' }, 'application/x-own'],
  ])('refuses with %j a task whose handler would get no arguments', async (options, written) => {
    const compressors = { own: { contentType: 'application/x-own', compress: (body: Buffer) => body } }
    await using app = createCelery({ taskAlwaysEager: true, taskHandlers, compressors })

    expect(await failureOf(app.sendTask('tasks.add', [2, 3], {}, options))).toMatchObject({
      code: 'ERR_INVALID_TASK',
      outcome: 'not-sent',
      message: expect.stringMatching(`^the handler of tasks\\.add gets its arguments from JSON.*${written}$`),
    })
  })

  test('gives a failure to whoever asks for the result, not to the caller', async () => {
    await using app = createCelery({ taskAlwaysEager: true, taskHandlers })
    const [failed, unknown] = [await app.sendTask('tasks.fail'), await app.sendTask('tasks.other')]

    expect(failed.failed()).toBe(true)
    expect(await failureOf(failed.get())).toMatchObject({ code: 'ERR_TASK_FAILED', remote: { type: 'RangeError' } })
    expect(await failureOf(unknown.get())).toMatchObject({ remote: { type: 'NotRegistered', message: 'tasks.other' } })
  })

  test.each([
    [{ taskAlwaysEager: 1 }, /taskAlwaysEager must be true or false, got 1/],
    [{ taskHandlers: [] }, /taskHandlers must be a plain object/],
    [{ taskHandlers: { 'tasks.add': 7 } }, /taskHandlers\.tasks\.add must be a function, got 7/],
    [{ taskAlwaysEager: true, maxChannel: 3 }, /maxChannel is not an option/],
  ])('with %j is ERR_INVALID_OPTION', (options, message) => {
    expect(() => createCelery(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
    )
  })
})
