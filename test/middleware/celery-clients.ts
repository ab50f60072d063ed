import { createClient, createWorker } from 'celery-node'
import type { PooledCelery } from '../../lib/middleware/with-pooled-producer.ts'
import { afterTest } from '../support/cleanup.ts'

export type Client = ReturnType<typeof createClient>
export type Worker = ReturnType<typeof createWorker>

/** What celery-node keeps of its connections; opened at their first use. */
interface Connections {
  readonly _broker?: Connection
  readonly _backend?: Connection
}

interface Connection {
  readonly channel: Promise<unknown>
  disconnect(): Promise<unknown>
}

interface ClientOptions {
  readonly broker: string
  readonly backend: string
  readonly queue: string
}

/** A client of celery-node's, whose connections are closed after the test. */
export function makeClient({ broker, backend, queue }: ClientOptions): Client {
  const client = createClient(broker, backend, queue)
  afterTest(() => disconnect(client))
  return client
}

/** A worker of celery-node's that takes tasks; it has no other end than its connections'. */
export async function startWorker(
  { broker, backend, queue }: ClientOptions,
  tasks: Record<string, (...args: never[]) => unknown>,
): Promise<Worker> {
  const worker = createWorker(broker, backend, queue)
  afterTest(() => disconnect(worker))
  for (const [name, run] of Object.entries(tasks)) worker.register(name, run)
  await worker.start()
  return worker
}

/** Whether the client has opened its own connection to the broker. */
export function hasBrokerConnection(client: Client): boolean {
  return (client as unknown as Connections)._broker !== undefined
}

/** What `delay` gives beside the client's own result. */
export function published(result: unknown): PooledCelery['published'] {
  return (result as PooledCelery).published
}

async function disconnect(base: object): Promise<void> {
  const { _broker, _backend } = base as Connections
  for (const connection of [_broker, _backend]) {
    // It opens a channel whether or not it is closed meanwhile, and complains.
    await connection?.channel
    await connection?.disconnect()
  }
}
