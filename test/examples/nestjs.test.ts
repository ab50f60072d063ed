import { rabbitmqNodeTest } from '../support/broker.ts'
import { servesThroughRestart } from './serves-through-restart.ts'

// NestJS ends its process by the signal that it has handled.
rabbitmqNodeTest(
  'examples/nestjs/server.ts: under a restart of the broker every request is answered in time, every 202 has its task in the queue, and SIGTERM loses nothing',
  () => servesThroughRestart('nestjs/server.ts', 'SIGTERM'),
  180_000,
)
