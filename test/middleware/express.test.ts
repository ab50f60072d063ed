import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import express from 'express'
import { type Celery, createCelery } from '../../lib/celery/celery.ts'
import { celeryFailures, celeryHealth, celeryRequests, shutDownOnSignal } from '../../lib/middleware/express.ts'
import { createTestCelery } from '../../lib/testing/recorded-celery.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makeApp, makePool, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { redisTest, startRedisServer } from '../support/redis-server.ts'
import { startScript } from '../support/script.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

interface Served {
  readonly url: string
  readonly server: Server
  readonly warnings: object[]
}

/** A server whose `POST /sums` sends a task to a queue. */
async function serve(app: Celery, queue: string): Promise<Served> {
  const warnings: object[] = []
  const routes = express()
  routes.get('/health', celeryHealth(app))
  routes.use((request, _response, next) => {
    Object.assign(request, { log: { warn: (fields: object) => warnings.push(fields) } })
    next()
  })
  routes.use(celeryRequests(app))
  routes.post('/sums', async (request, response) => {
    const { taskId } = await request.celery.sendTask('tasks.add', [2, 3], {}, { queue })
    response.status(202).json({ taskId })
  })
  routes.post('/broken', () => {
    throw new TypeError('of the application')
  })
  routes.use(celeryFailures())
  routes.use(((error, _request, response, _next) => {
    response.status(418).json({ name: error.name })
  }) as express.ErrorRequestHandler)
  const server = routes.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  afterTest(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, warnings }
}

function post(url: string, signal?: AbortSignal): Promise<Response> {
  return fetch(url, { method: 'POST', ...(signal && { signal }) })
}

test('a request sends a task', async () => {
  const queue = queues.name()
  const { url } = await serve(makeApp({ broker: broker.url }), queue)

  const reply = await post(`${url}/sums`)

  expect(reply.status).toBe(202)
  const { taskId } = (await reply.json()) as { taskId: string }
  const [message] = await queues.take(queue, 1)
  expect(message?.properties.headers?.id).toBe(taskId)
})

test('without the broker the reply is 503 with Retry-After, the request is logged, and the probe says so', async () => {
  const app = makeApp({ broker: NOWHERE, publishTimeoutMs: 50 })
  const { url, warnings } = await serve(app, 'mail')

  const reply = await post(`${url}/sums`)
  const health = await fetch(`${url}/health`)

  expect(reply.status).toBe(503)
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(await reply.json()).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  expect(warnings).toEqual([expect.objectContaining({ event: 'request.task', code: 'ERR_BROKER_UNAVAILABLE' })])
  expect(health.status).toBe(503)
  expect(await health.json()).toMatchObject({ status: 'down' })
})

test("an error of the application's own goes to its own handler", async () => {
  const { url } = await serve(makeApp({ broker: NOWHERE }), 'mail')

  const reply = await post(`${url}/broken`)

  expect(reply.status).toBe(418)
  expect(await reply.json()).toEqual({ name: 'TypeError' })
})

test('a publish is given up when the client goes away', async () => {
  const app = makeApp({ broker: NOWHERE, publishTimeoutMs: 60_000 })
  const { url, warnings } = await serve(app, 'mail')
  const client = new AbortController()

  const asking = post(`${url}/sums`, client.signal).catch(() => {})
  await until(() => app.pool.stats().waiting === 1)
  client.abort()
  await asking
  await until(() => app.pool.stats().waiting === 0)

  expect(warnings).toEqual([expect.objectContaining({ code: 'ERR_ABORTED' })])
})

test('shutting down takes no more requests, closes the pool, and takes its listeners off the process', async () => {
  const app = makeApp({ broker: broker.url })
  const { url, server } = await serve(app, queues.name())
  const listeners = process.listenerCount('SIGUSR2')
  const shutDown = shutDownOnSignal(server, app, { signals: ['SIGUSR2'] })
  await post(`${url}/sums`)

  await Promise.all([shutDown(), shutDown()])

  expect(app.pool.state).toBe('closed')
  expect(process.listenerCount('SIGUSR2')).toBe(listeners)
  await expect(post(`${url}/sums`)).rejects.toThrow()
})

test('a server with an app for tests probes and shuts down as any other', async () => {
  const app = createTestCelery()
  const { url, server } = await serve(app, 'mail')

  expect((await fetch(`${url}/health`)).status).toBe(200)
  expect((await post(`${url}/sums`)).status).toBe(202)
  await shutDownOnSignal(server, app, { signals: ['SIGUSR2'] })()
  expect(app.pool.state).toBe('closed')
})

test('a time limit that is none is refused when the server starts', async () => {
  const app = makeApp({ broker: broker.url })
  const { server } = await serve(app, queues.name())
  const listeners = process.listenerCount('SIGUSR2')

  expect(() => shutDownOnSignal(server, app, { signals: ['SIGUSR2'], timeoutMs: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(/^timeoutMs must be/) }),
  )
  expect(process.listenerCount('SIGUSR2')).toBe(listeners)
})

test('tasks that got no confirm are logged by their ids, and make the exit code 1', async () => {
  const app = makeApp({ broker: NOWHERE, publishTimeoutMs: 60_000 })
  const { server } = await serve(app, 'mail')
  const warnings: object[] = []
  const [before, logger] = [process.exitCode, { warn: (fields: object) => warnings.push(fields) }]
  const shutDown = shutDownOnSignal(server, app, { signals: ['SIGUSR2'], timeoutMs: 20, logger })
  const sending = app.sendTask('tasks.add', [1], {}, { taskId: 'the-one' }).catch((error) => error)

  await shutDown()
  const exitCode = process.exitCode
  process.exitCode = before

  expect(exitCode).toBe(1)
  expect(warnings).toEqual([{ event: 'shutdown.tasks', unknown: [], notSent: ['the-one'] }])
  expect(await sending).toMatchObject({ code: 'ERR_POOL_CLOSED', outcome: 'not-sent' })
})

test("another's pool is left open, once what it has accepted is confirmed", async () => {
  const queue = queues.name()
  const pool = makePool({ broker: broker.url })
  const app = createCelery({ pool })
  const { server } = await serve(app, queue)
  const shutDown = shutDownOnSignal(server, app, { signals: ['SIGUSR2'] })
  const sending = app.createTask('tasks.add', { queue }).delayMany(Array.from({ length: 500 }, (_, n) => [[n, n]]))

  await shutDown()

  expect(pool.stats()).toMatchObject({ state: 'open', waiting: 0, inFlight: 0, confirms: 500 })
  expect((await sending).every(({ status }) => status === 'confirmed')).toBe(true)
})

test("another's pool that confirms nothing in time is left open, is told of, and makes the exit code 1", async () => {
  const pool = makePool({ broker: NOWHERE, publishTimeoutMs: 60_000 })
  const app = createCelery({ pool })
  const { server } = await serve(app, 'mail')
  const warnings: object[] = []
  const [before, logger] = [process.exitCode, { warn: (fields: object) => warnings.push(fields) }]
  const shutDown = shutDownOnSignal(server, app, { signals: ['SIGUSR2'], timeoutMs: 20, logger })
  void app.sendTask('tasks.add')

  await shutDown()
  const exitCode = process.exitCode
  process.exitCode = before

  expect(exitCode).toBe(1)
  expect(warnings).toEqual([{ event: 'shutdown.tasks', unsettled: 1 }])
  expect(pool.stats()).toMatchObject({ state: 'connecting', waiting: 1 })
})

redisTest('a process that waits for results in Redis ends by itself once it was told to', async () => {
  const redis = await startRedisServer()
  afterTest(() => redis.stop())
  const script = startScript(`
    import { createServer } from 'node:http'
    import { createCelery } from '../../lib/index.ts'
    import { shutDownOnSignal } from '../../lib/middleware/express.ts'
    const app = createCelery({ broker: '${broker.url}', backend: '${redis.url}', logger: false })
    const server = createServer().listen(0, '127.0.0.1')
    shutDownOnSignal(server, app)
    const waiting = app.asyncResult('nobody-sends-it').get({ timeoutMs: 60_000 }).catch(({ code }) => code)
    await app.pool.ready()
    await app.asyncResult('another').refresh()
    console.log('waiting')
    console.log(await waiting)
  `)
  afterTest(() => script.process.kill('SIGKILL'))
  expect(await script.nextLine()).toBe('waiting')

  script.process.kill('SIGTERM')

  expect(await script.nextLine()).toBe('ERR_POOL_CLOSED')
  expect(await script.ended).toEqual({ code: 0, signal: null })
})
