import type { Celery } from '../../../lib/celery/celery.ts'
import type { Queues } from '../../support/queues.ts'

/** What a worker sends for a task, as it was captured from Celery 5.2.6, and what a test has different in it. */
export interface Answer {
  readonly taskId: string
  readonly status?: string
  readonly result?: unknown
  readonly traceback?: string | null
  readonly children?: unknown
}

/** The body of the message that a worker sends. */
export function answerBody({
  taskId,
  status = 'SUCCESS',
  result = null,
  traceback = null,
  children = [],
}: Answer): string {
  return JSON.stringify({ task_id: taskId, status, result, traceback, children })
}

/** The properties of the message that a worker sends. */
export function answerProperties(correlationId: string): object {
  return {
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    correlationId,
    deliveryMode: 1,
    priority: 0,
    headers: {},
  }
}

/** A worker that does what a test tells it. */
export interface PuppetWorker {
  /** The queue that the app's tasks want their results in. */
  readonly replyTo: string
  answer(answer: Answer): void
  /** Sends any message to that queue. */
  send(body: string | Buffer, properties: object): void
}

/** Learns from a task of the app's where it wants its results. */
export async function puppetWorker(app: Celery, queues: Queues): Promise<PuppetWorker> {
  const queue = await queues.declare()
  await app.sendTask('tasks.add', [], {}, { queue })
  const [message] = await queues.take(queue, 1)
  const replyTo = message?.properties.replyTo as string
  const send = (body: string | Buffer, properties: object): void => {
    queues.channel.sendToQueue(replyTo, Buffer.from(body), properties)
  }
  return { replyTo, send, answer: (answer) => send(answerBody(answer), answerProperties(answer.taskId)) }
}
