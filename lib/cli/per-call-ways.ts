import { randomUUID } from 'node:crypto'
import { connectPlainly, endPlainly, type PlainConnection } from '../amqp/plain-connection.ts'
import { encodeArguments } from '../celery/message/arguments.ts'
import { ORIGIN, type TaskProperties, taskPropertiesV2 } from '../celery/message/message-v2.ts'
import { argsRepr, kwargsRepr } from '../celery/message/repr.ts'
import { DEFAULT_TASK_OPTIONS } from '../celery/options/task-option-values.ts'
import type { OpenWay, Place } from './open-way.ts'

/** A task's message as it is published by hand: the same as a pool's. */
export interface PlainTask {
  readonly id: string
  readonly body: Buffer
  readonly properties: TaskProperties<string>
}

/** The message of a task, with an id of its own. */
export function plainTask(
  name: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): PlainTask {
  const id = randomUUID()
  const varying = { id, argsrepr: argsRepr(args), kwargsrepr: kwargsRepr(kwargs) }
  return {
    id,
    body: Buffer.from(encodeArguments(args, kwargs)),
    properties: taskPropertiesV2(name, varying, DEFAULT_TASK_OPTIONS, ORIGIN),
  }
}

type Where = Pick<Place, 'url' | 'queue'>

/** amqplib by hand: one connection; each call opens a confirm channel, publishes, awaits the confirm and closes it. */
export async function channelPerCall(
  { url, queue }: Where,
  taskOf: (index: number) => PlainTask,
  { noDelay }: { readonly noDelay: boolean },
): Promise<OpenWay> {
  const connection = await connectPlainly(url, { noDelay })
  let channelsOpened = 0
  return {
    async send(index) {
      const task = taskOf(index)
      await publishOnNewChannel(connection, queue, task, () => channelsOpened++)
      return task.id
    },
    channelsOpened: () => channelsOpened,
    connectionsOpened: () => 1,
    close: () => endPlainly(connection),
  }
}

/** amqplib by hand: each call opens a connection and a confirm channel, and closes both after the confirm. */
export async function connectionPerCall({ url, queue }: Where, taskOf: (index: number) => PlainTask): Promise<OpenWay> {
  let [channelsOpened, connectionsOpened] = [0, 0]
  return {
    async send(index) {
      const task = taskOf(index)
      const connection = await connectPlainly(url, { noDelay: true })
      connectionsOpened++
      try {
        await publishOnNewChannel(connection, queue, task, () => channelsOpened++)
      } finally {
        await endPlainly(connection)
      }
      return task.id
    },
    channelsOpened: () => channelsOpened,
    connectionsOpened: () => connectionsOpened,
    close: async () => {},
  }
}

async function publishOnNewChannel(
  connection: PlainConnection,
  queue: string,
  { body, properties }: PlainTask,
  opened: () => void,
): Promise<void> {
  const channel = await connection.createConfirmChannel()
  opened()
  await new Promise<void>((resolve, reject) => {
    // With an error the broker closes the channel, which rejects the close below and so the call.
    channel.on('error', reject)
    channel.publish('', queue, body, properties, (error) => (error ? reject(error) : resolve()))
  })
  await channel.close()
}
