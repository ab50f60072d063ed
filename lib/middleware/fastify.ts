import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { type Celery, createCelery } from '../celery/celery.ts'
import type { CeleryOptions } from '../celery/celery-options.ts'
import { PooledProducerError } from '../errors.ts'
import { clientSignal } from './request/client-signal.ts'
import { checkTimeLimit, closeApp } from './request/closed-app.ts'
import { type PoolHealth, poolHealth } from './request/pool-health.ts'
import { RequestTasks } from './request/request-tasks.ts'

export type { PoolHealth, RequestTasks }

declare module 'fastify' {
  interface FastifyInstance {
    /** The app, with its pool as `celery.pool`. */
    readonly celery: Celery
  }
  interface FastifyRequest {
    /** Sends tasks for this request: given up when the client goes away, logged with the request's id. */
    readonly celery: RequestTasks
  }
}

/** What `server.register(celeryPlugin, ...)` takes: the options of `createCelery`, or an app that exists. */
export interface CeleryPluginOptions extends CeleryOptions {
  /** An app made elsewhere, which is closed elsewhere. Not together with options of a new one. */
  readonly app?: Celery
  /** Whether the server starts only once the broker is there. Default: true. */
  readonly waitForBroker?: boolean
  /** How long it waits then, in milliseconds. Default: the pool's `acquireTimeoutMs`. */
  readonly readyTimeoutMs?: number
  /** How long closing the server waits for confirms, in milliseconds. Default: the pool's `publishTimeoutMs`. */
  readonly closeTimeoutMs?: number
}

/** What a request keeps for its tasks: its reply, and the sender that its first use made. */
const REPLY = Symbol('the reply of a request')
const TASKS = Symbol('the tasks of a request')

interface KeptParts {
  [REPLY]: ServerResponse
  [TASKS]?: RequestTasks
}

const plugin: FastifyPluginAsync<CeleryPluginOptions> = async (server, options) => {
  const { app: given, waitForBroker = true, readyTimeoutMs, closeTimeoutMs, ...celeryOptions } = options
  checkTimeLimit('readyTimeoutMs', readyTimeoutMs)
  checkTimeLimit('closeTimeoutMs', closeTimeoutMs)
  const [extra] = Object.entries(celeryOptions).find(([, value]) => value !== undefined) ?? []
  if (given !== undefined && extra !== undefined) {
    const text = `${extra} is an option of a new app, and an app is given already`
    throw new PooledProducerError('ERR_INVALID_OPTION', text)
  }
  // A pool that exists logs as it was told to.
  const { pool, logger = server.log } = celeryOptions
  const app = given ?? createCelery(pool === undefined ? { ...celeryOptions, logger } : celeryOptions)
  server.decorate('celery', app)
  server.decorateRequest('celery', {
    getter(this: FastifyRequest) {
      const kept = this as unknown as KeptParts
      kept[TASKS] ??= new RequestTasks(app, clientSignal(kept[REPLY]), this.log)
      return kept[TASKS]
    },
  })
  server.addHook('onRequest', (request, reply, done) => {
    ;(request as unknown as KeptParts)[REPLY] = reply.raw
    done()
  })
  // It runs after the last reply: what the handlers have accepted is confirmed before the process goes.
  if (given === undefined) server.addHook('onClose', async () => void (await closeApp(app, server.log, closeTimeoutMs)))
  if (waitForBroker) await app.pool.ready(readyTimeoutMs === undefined ? {} : { timeoutMs: readyTimeoutMs })
}

/**
 * The Celery producer in a Fastify server: `server.celery` is the app, `request.celery` sends the tasks of a
 * request. Handlers that only await it reply 503 with Retry-After while the broker is away. The pool logs through
 * the server's logger, and closing the server waits for the confirms of what its handlers have accepted. A pool that
 * is among the options logs as before, and is left open.
 *
 * @example
 * await server.register(celeryPlugin, { broker: 'amqp://127.0.0.1' })
 * const add = server.celery.createTask<[number, number]>('tasks.add')
 * server.post('/sums', async (request, reply) => {
 *   const { taskId } = await request.celery.delay(add, 2, 3)
 *   return reply.code(202).send({ taskId })
 * })
 *
 * @throws {PooledProducerError} registering rejects with ERR_INVALID_OPTION, and with ERR_BROKER_UNAVAILABLE or
 *   ERR_BROKER_REFUSED when it waits for the broker in vain.
 */
export const celeryPlugin: FastifyPluginAsync<CeleryPluginOptions> = fastifyPlugin(plugin, {
  fastify: '5.x',
  name: 'pooled-producer',
})

/**
 * For the option `healthCheck` of `@fastify/under-pressure`: false, which it answers with 503, while tasks do not get
 * through; else what its status route shows, where `routeResponseSchemaOpts` names `celery`.
 *
 * @example
 * await server.register(underPressure, { healthCheck, healthCheckInterval: 1_000, exposeStatusRoute: true })
 */
export async function healthCheck(server: FastifyInstance): Promise<false | { celery: PoolHealth }> {
  const celery = poolHealth(server.celery.pool)
  return celery.status === 'up' ? { celery } : false
}
