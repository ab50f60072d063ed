import type { Server } from 'node:http'
import type { ErrorRequestHandler, Request, RequestHandler } from 'express'
import type { Celery } from '../celery/celery.ts'
import { clientSignal } from './request/client-signal.ts'
import { checkTimeLimit, closeApp } from './request/closed-app.ts'
import { type PoolHealth, poolHealth } from './request/pool-health.ts'
import { requestFailure } from './request/request-failure.ts'
import { type RequestLog, RequestTasks } from './request/request-tasks.ts'

export type { PoolHealth, RequestTasks }

declare global {
  namespace Express {
    interface Request {
      /** Sends tasks for this request: given up when the client goes away. */
      celery: RequestTasks
    }
  }
}

/**
 * Gives each request its `req.celery`. What fails is logged by the request's own logger, where a middleware before
 * this one has put one at `req.log` (`pino-http` does).
 *
 * @example
 * const app = createCelery({ broker: 'amqp://127.0.0.1' })
 * const add = app.createTask<[number, number]>('tasks.add')
 * server.use(celeryRequests(app))
 * server.post('/sums', async (req, res) => {
 *   const { taskId } = await req.celery.delay(add, 2, 3)
 *   res.status(202).json({ taskId })
 * })
 * server.use(celeryFailures())
 */
export function celeryRequests(app: Celery): RequestHandler {
  return (request, response, next) => {
    let tasks: RequestTasks | undefined
    Object.defineProperty(request, 'celery', {
      configurable: true,
      get() {
        tasks ??= new RequestTasks(app, clientSignal(response), (request as Request & { log?: RequestLog }).log)
        return tasks
      },
    })
    next()
  }
}

/**
 * Replies to requests whose task was not sent, to stand behind the routes: 503 with Retry-After when the same
 * request can work later, 500 when it cannot, with `{ code, message }` as JSON. Other errors go on.
 */
export function celeryFailures(): ErrorRequestHandler {
  return (error, _request, response, next) => {
    const failure = requestFailure(error)
    if (failure === undefined || response.headersSent) return next(error)
    const { code, message } = error as { code: string; message: string }
    response.status(failure.statusCode).set(failure.headers).json({ code, message })
  }
}

/** A route for readiness probes: 200 while tasks get through, else 503, with a {@link PoolHealth} as JSON. */
export function celeryHealth(app: Celery): RequestHandler {
  return (_request, response) => {
    const health = poolHealth(app.pool)
    response.status(health.status === 'up' ? 200 : 503).json(health)
  }
}

/** What bounds a {@link shutDownOnSignal}. */
export interface ShutdownOptions {
  /** Default: SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * How long to wait for confirms once the last reply is out, in milliseconds. Default: the pool's
   * `publishTimeoutMs`.
   */
  readonly timeoutMs?: number
  /** Told of tasks that got no confirm. */
  readonly logger?: Pick<RequestLog, 'warn'>
}

/**
 * Ends a server in order at the first signal: no new requests, the replies of those at work, the confirms of what
 * they have accepted; then the exit code is 0, or 1 when a task got no confirm. A pool that the app was given is left
 * open after that: who made it closes it. A second signal ends the process at once.
 *
 * @returns the same, to be called without a signal; it resolves when all is closed.
 * @throws {PooledProducerError} ERR_INVALID_OPTION when `timeoutMs` is none.
 */
export function shutDownOnSignal(server: Server, app: Celery, options: ShutdownOptions = {}): () => Promise<void> {
  const { signals = ['SIGTERM', 'SIGINT'], timeoutMs, logger } = options
  checkTimeLimit('timeoutMs', timeoutMs)
  let ending: Promise<void> | undefined
  const end = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
    if (!(await closeApp(app, logger, timeoutMs))) process.exitCode = 1
  }
  const begin = (): Promise<void> => {
    for (const signal of signals) process.off(signal, onSignal)
    ending ??= end()
    return ending
  }
  const onSignal = (): void => void begin()
  for (const signal of signals) process.on(signal, onSignal)
  return begin
}
