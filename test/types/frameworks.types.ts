// Types only: tsc checks this file, nothing runs it.
import type { DynamicModule } from '@nestjs/common'
import express from 'express'
import Fastify from 'fastify'
import { type Celery, createCelery } from '../../lib/index.ts'
import { celeryFailures, celeryHealth, celeryRequests, shutDownOnSignal } from '../../lib/middleware/express.ts'
import { celeryPlugin, healthCheck, type RequestTasks } from '../../lib/middleware/fastify.ts'
import { CeleryModule } from '../../lib/middleware/nestjs.ts'
import { type Equal, holds } from './equal.ts'

// Fastify's own types know what the plugin adds.
const server = Fastify()
await server.register(celeryPlugin, { broker: 'amqp://127.0.0.1', waitForBroker: false })
holds<Equal<typeof server.celery, Celery>>()
const add = server.celery.createTask<[number, number], number>('tasks.add')
server.post('/sums', async (request) => {
  holds<Equal<typeof request.celery, RequestTasks>>()
  const result = await request.celery.delay(add, 2, 3)
  const sum: number = await result.get()
  // @ts-expect-error a task's arguments are checked
  await request.celery.delay(add, 'two', 3)
  return sum
})
// @ts-expect-error an option of nobody
await server.register(celeryPlugin, { brokr: 'amqp://127.0.0.1' })
healthCheck satisfies (server: never) => Promise<unknown>

// So do Express's.
const app = createCelery()
const routes = express()
routes.use(celeryRequests(app))
routes.get('/health', celeryHealth(app))
routes.post('/sums', async (request, response) => {
  holds<Equal<typeof request.celery, RequestTasks>>()
  const { taskId } = await request.celery.sendTask('tasks.add', [2, 3])
  response.status(202).json({ taskId })
})
routes.use(celeryFailures())
const shutDown = shutDownOnSignal(routes.listen(0), app, { signals: ['SIGTERM'], timeoutMs: 5_000 })
holds<Equal<ReturnType<typeof shutDown>, Promise<void>>>()

// NestJS takes the module as one of its own.
CeleryModule.forRoot({ broker: 'amqp://127.0.0.1' }) satisfies DynamicModule
CeleryModule.forRootAsync({ useFactory: async () => ({ name: 'orders' }) }) satisfies DynamicModule
// @ts-expect-error options come from a function
CeleryModule.forRootAsync({ broker: 'amqp://127.0.0.1' })
