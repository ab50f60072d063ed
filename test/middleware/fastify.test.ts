import type { AddressInfo } from 'node:net'
import underPressure from '@fastify/under-pressure'
import { expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { type CeleryPluginOptions, celeryPlugin, healthCheck } from '../../lib/middleware/fastify.ts'
import { useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makeApp, makePool, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

interface Line {
  readonly event?: string
  readonly reqId?: string
  readonly code?: string
  readonly pool?: string
}

/** A server with the plugin, and what its logger wrote. */
async function serverWith(options: CeleryPluginOptions): Promise<{ server: FastifyInstance; lines: Line[] }> {
  const lines: Line[] = []
  const server = Fastify({ logger: { stream: { write: (line: string) => lines.push(JSON.parse(line)) } } })
  afterTest(() => server.close())
  await server.register(celeryPlugin, options)
  return { server, lines }
}

/** Asks over HTTP, of a server that listens from the first question on. */
async function ask(server: FastifyInstance, path: string, method = 'POST'): Promise<Response> {
  const address = server.server.address() as AddressInfo | null
  const url = address === null ? await server.listen({ host: '127.0.0.1', port: 0 }) : urlOf(address.port)
  return fetch(`${url}${path}`, { method })
}

async function idOf(reply: Promise<Response>): Promise<unknown> {
  return ((await (await reply).json()) as { id: unknown }).id
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`
}

test('a server has the app, whose pool is ready when the server is and logs through its logger', async () => {
  const { server, lines } = await serverWith({ broker: broker.url })
  await server.ready()

  expect(server.celery.pool.state).toBe('open')
  expect(lines.map(({ event }) => event)).toContain('channel.open')
})

test('a request sends a task, and closing the server closes the pool after the last confirm', async () => {
  const queue = queues.name()
  const { server } = await serverWith({ broker: broker.url })
  const add = server.celery.createTask<[number, number]>('tasks.add', { queue })
  server.post('/sums', async (request) => ({ id: (await request.celery.delay(add, 2, 3)).taskId }))
  server.post('/named', async (request) => ({
    id: (await request.celery.sendTask('tasks.add', [1], {}, { queue })).taskId,
  }))

  const ids = [await idOf(ask(server, '/sums')), await idOf(ask(server, '/named'))]
  const { pool } = server.celery
  await server.close()

  expect((await queues.take(queue, 2)).map(({ properties }) => properties.headers?.id)).toEqual(ids)
  expect(pool.state).toBe('closed')
})

test('without the broker a server that waits for it does not start', async () => {
  const server = Fastify()
  afterTest(() => server.close())

  const starting = server.register(celeryPlugin, { broker: NOWHERE, logger: false, readyTimeoutMs: 50 }).ready()

  await expect(starting).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
})

test('without the broker a server that does not wait replies 503 with Retry-After, and logs the request', async () => {
  const { server, lines } = await serverWith({ broker: NOWHERE, waitForBroker: false, publishTimeoutMs: 50 })
  server.post('/sums', async (request) => request.celery.sendTask('tasks.add', [2, 3]))

  const reply = await ask(server, '/sums')

  expect(reply.status).toBe(503)
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(await reply.json()).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  const line = lines.find(({ event }) => event === 'request.task')
  expect(line).toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE', task: 'tasks.add', outcome: 'not-sent', reqId: 'req-1' })
})

test('a wrong call is the fault of the server, and not of the time', async () => {
  const { server } = await serverWith({ broker: NOWHERE, waitForBroker: false })
  server.post('/sums', async (request) => request.celery.sendTask('tasks.add', [undefined]))

  const reply = await ask(server, '/sums')

  expect(reply.status).toBe(500)
  expect(reply.headers.get('retry-after')).toBeNull()
})

test.each([[null], [[]], [7], [{ signal: 'soon' }]])(
  'options of a task that are %j reject with what is wrong with them',
  async (options) => {
    const { server } = await serverWith({ broker: broker.url })
    server.post('/', async (request) => request.celery.sendTask('tasks.add', [1], {}, options as never))

    const reply = await ask(server, '/')

    expect({ status: reply.status, ...((await reply.json()) as object) }).toMatchObject({
      status: 500,
      code: 'ERR_INVALID_TASK',
    })
  },
)

test.each(['readyTimeoutMs', 'closeTimeoutMs'])('a %s that is none is refused when the server starts', async (name) => {
  await expect(serverWith({ broker: broker.url, [name]: 0 })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining(name),
  })
})

test.each([{}, { signal: null }])('a publish with %j is given up when the client goes away', async (options) => {
  const { server, lines } = await serverWith({ broker: NOWHERE, waitForBroker: false, publishTimeoutMs: 60_000 })
  server.post('/sums', async (request) => request.celery.sendTask('tasks.add', [2, 3], {}, options))
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const client = new AbortController()

  const asking = fetch(`${url}/sums`, { method: 'POST', signal: client.signal }).catch(() => {})
  await until(() => server.celery.pool.stats().waiting === 1)
  client.abort()
  await asking
  await until(() => server.celery.pool.stats().waiting === 0)

  expect(lines.find(({ event }) => event === 'request.task')).toMatchObject({ code: 'ERR_ABORTED', reqId: 'req-1' })
})

test('a server whose tasks run in its own process starts, serves and closes as any other', async () => {
  const { server } = await serverWith({ taskAlwaysEager: true, taskHandlers: { 'tasks.add': ([x, y]) => [x, y] } })
  server.post('/sums', async (request) => ({ sum: await (await request.celery.sendTask('tasks.add', [2, 3])).get() }))

  expect(await (await ask(server, '/sums')).json()).toEqual({ sum: [2, 3] })
  expect(await healthCheck(server)).toMatchObject({ celery: { status: 'up' } })
  await server.close()
  expect(await healthCheck(server)).toBe(false)
})

test('a pool that was made elsewhere is taken, logs as before, and stays open when the server closes', async () => {
  const pool = makePool({ broker: broker.url })
  const { server, lines } = await serverWith({ pool })
  const result = await server.celery.sendTask('tasks.add', [1], {}, { queue: queues.name() })
  await server.close()

  expect(server.celery.pool).toBe(pool)
  expect(result.taskId).toEqual(expect.any(String))
  expect(lines.filter(({ pool: name }) => name !== undefined)).toEqual([])
  expect(pool.state).toBe('open')
})

test('an app that was made elsewhere stays open when the server closes', async () => {
  const app = makeApp({ broker: broker.url })
  const { server } = await serverWith({ app })
  await server.ready()
  await server.close()

  expect(server.celery).toBe(app)
  expect(app.pool.state).toBe('open')
})

test('an app that was made elsewhere goes with no options of a new one', async () => {
  const app = makeApp({ broker: NOWHERE })

  await expect(serverWith({ app, waitForBroker: false, taskDefaultQueue: 'mail' })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: 'taskDefaultQueue is an option of a new app, and an app is given already',
  })
})

test('under-pressure takes the health check: 503 while tasks do not get through', async () => {
  const [up, down] = [
    await serverWith({ broker: broker.url }),
    await serverWith({ broker: NOWHERE, waitForBroker: false }),
  ]
  for (const { server } of [up, down]) {
    const celery = { type: 'object', properties: { status: { type: 'string' }, state: { type: 'string' } } }
    await server.register(underPressure, {
      healthCheck,
      healthCheckInterval: 10,
      exposeStatusRoute: { url: '/health', routeOpts: {}, routeResponseSchemaOpts: { celery } },
    })
  }

  const well = await ask(up.server, '/health', 'GET')
  expect(well.status).toBe(200)
  expect(await well.json()).toMatchObject({ celery: { status: 'up', state: 'open' } })
  await until(async () => (await ask(down.server, '/health', 'GET')).status === 503)
})
