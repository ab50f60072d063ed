/**
 * The API server of one contestant: `POST /tasks` takes `{ a }` and replies 202 when the task is confirmed.
 * The one called `nothing` replies at once: what such a handler costs by itself.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Fastify from 'fastify'
import { serve } from './serve.js'

const SCHEMA = { body: { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } } }
const LOOP_RESOLUTION_MS = 5

const app = Fastify({ logger: false })
let contestant
let mark

serve({
  async connect({ name, settings }) {
    if (name === 'nothing') {
      app.post('/tasks', { schema: SCHEMA }, async (request, reply) => {
        reply.code(202)
        return { accepted: request.body.a }
      })
    } else {
      const { connect } = await import(`../contestants/${name}.js`)
      contestant = await connect(settings)
      app.post('/tasks', { schema: SCHEMA }, async (request, reply) => {
        await contestant.send(request.body.a)
        reply.code(202)
        return { accepted: request.body.a }
      })
    }
    await app.listen({ host: '127.0.0.1', port: 0 })
    return { version: contestant?.version, port: app.server.address().port }
  },

  /** Marks the begin of a turn. */
  begin() {
    const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
    delay.enable()
    mark = { delay, usage: process.cpuUsage(), at: performance.now() }
  },

  /** What the server did since the mark: its CPU time, as a share of one core too, and the event loop's delay. */
  end() {
    const { user, system } = process.cpuUsage(mark.usage)
    const wallUs = (performance.now() - mark.at) * 1e3
    mark.delay.disable()
    // The histogram counts from tick to tick, so its own resolution is in each figure.
    const loopDelayP99Ms = Math.max(0, mark.delay.percentile(99) / 1e6 - LOOP_RESOLUTION_MS)
    return { cpuUs: user + system, coreShare: (user + system) / wallUs, loopDelayP99Ms }
  },

  async close() {
    await app.close()
    await contestant?.close()
  },
})
