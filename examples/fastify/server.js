// A Fastify server that sends a Celery task for each order: node examples/fastify/server.js
import underPressure from '@fastify/under-pressure'
import Fastify from 'fastify'
import { celeryPlugin, healthCheck } from 'pooled-producer/fastify'

const server = Fastify({ logger: true })

// The broker is $AMQP_URL, or the one of this machine. The server starts when it is there.
await server.register(celeryPlugin, { publishTimeoutMs: 5_000 })
await server.register(underPressure, { healthCheck, healthCheckInterval: 1_000, exposeStatusRoute: '/health' })

const sendMail = server.celery.createTask('mail.send', { queue: process.env.QUEUE ?? 'mail', expires: 3_600 })

const schema = { body: { type: 'object', required: ['email'], properties: { email: { type: 'string' } } } }
server.post('/orders', { schema }, async (request, reply) => {
  // Resolves once RabbitMQ has the task. When it cannot, Fastify replies 503 with Retry-After by itself.
  const { taskId } = await request.celery.delay(sendMail, request.body.email, 'Thank you!')
  return reply.code(202).send({ taskId })
})

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => server.close())
await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3_000) })
