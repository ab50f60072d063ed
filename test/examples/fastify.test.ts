import { rabbitmqNodeTest } from '../support/broker.ts'
import { servesThroughRestart } from './serves-through-restart.ts'

rabbitmqNodeTest(
  'examples/fastify/server.js: under a restart of the broker every request is answered in time, every 202 has its task in the queue, and SIGTERM loses nothing',
  () => servesThroughRestart('fastify/server.js', 0),
  180_000,
)
