import { withPooledProducer } from '../middleware/with-pooled-producer.ts'
import { createProducerPool } from '../pool/producer-pool.ts'
import type { OpenWay, Place } from './open-way.ts'
import { argsOf, TASK_NAME } from './task-arrivals.ts'

/** What is used of the npm package celery-node. */
interface CeleryNode {
  readonly createClient: (broker: string, backend: string, queue: string) => CeleryNodeClient
}

interface CeleryNodeClient {
  readonly broker: { publish: (...message: CeleryNodeMessage) => Promise<unknown> }
  readonly backend: { readonly channel: Promise<unknown>; disconnect(): Promise<unknown> }
  sendTask(name: string, args: unknown[], kwargs: object, taskId?: string): { readonly taskId: string }
  createTask(name: string): { delay(...args: unknown[]): { readonly taskId: string } }
  isReady(): Promise<unknown>
  disconnect(): Promise<unknown>
}

type CeleryNodeMessage = [body: unknown, exchange: string, key: string, headers: { readonly id: string }, rest: object]

/** Whether celery-node is installed; it is no dependency of this package. */
export async function hasCeleryNode(): Promise<boolean> {
  try {
    await load()
    return true
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes("'celery-node'")) return false
    throw error
  }
}

/**
 * celery-node as it is. It has no confirms, and drops the promise of its own publish: that is caught on the way,
 * so that a call ends when its task has been handed to the socket.
 */
export async function celeryNode({ url, queue }: Place): Promise<OpenWay> {
  const { createClient } = await load()
  const client = createClient(url, url, queue)
  const add = client.createTask(TASK_NAME)

  const calls = new Map<string, { resolve: (id: string) => void; reject: (error: unknown) => void }>()
  const publish = client.broker.publish.bind(client.broker)
  client.broker.publish = (...message) => {
    const { id } = message[3]
    const call = calls.get(id)
    calls.delete(id)
    return publish(...message).then(() => call?.resolve(id), call?.reject)
  }
  return {
    ready: () => Promise.all([client.isReady(), client.backend.channel]),
    send: (index) =>
      new Promise((resolve, reject) => {
        // It publishes in a later turn, when this call is known.
        const { taskId } = add.delay(...argsOf(index))
        calls.set(taskId, { resolve, reject })
      }),
    // It keeps one; what it repeats with each call is the declaration of the queue.
    channelsOpened: () => 1,
    close: () => client.disconnect(),
  }
}

/** The same client, wrapped; a call ends with the confirm. */
export async function celeryNodePooled({ url, queue, name, logger }: Place): Promise<OpenWay> {
  const { createClient } = await load()
  const pool = createProducerPool({ broker: url, name, logger })
  const client = withPooledProducer(createClient(url, url, queue), pool)
  const add = client.createTask(TASK_NAME)
  return {
    // Where it would ask for results; closed sooner, it leaves a rejection that nobody handles.
    ready: () => Promise.all([pool.ready(), client.backend.channel]),
    async send(index) {
      const result = add.delay(...argsOf(index)) as { taskId: string; published: Promise<unknown> }
      await result.published
      return result.taskId
    },
    async close() {
      await pool.close()
      // Only its connection for results is open: nothing was published through its own.
      await client.backend.disconnect()
    },
  }
}

async function load(): Promise<CeleryNode> {
  const name = 'celery-node'
  const loaded = (await import(name)) as { default: CeleryNode }
  return loaded.default
}
