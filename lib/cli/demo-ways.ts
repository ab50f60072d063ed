import { randomUUID } from 'node:crypto'
import { connectPlainly } from '../amqp/plain-connection.ts'
import { createCelery } from '../celery/celery.ts'
import { encodeArguments } from '../celery/message/arguments.ts'
import { ORIGIN, taskPropertiesV2 } from '../celery/message/message-v2.ts'
import { argsRepr, kwargsRepr } from '../celery/message/repr.ts'
import { DEFAULT_TASK_OPTIONS } from '../celery/options/task-option-values.ts'
import { celeryNode, celeryNodePooled } from './demo-celery-node.ts'
import type { OpenWay, Place } from './open-way.ts'
import { argsOf, TASK_NAME } from './task-arrivals.ts'

/** The name of a way. */
export type WayName =
  | 'channel-per-call'
  | 'channel-per-call-nodelay'
  | 'celery-node'
  | 'celery-node-pooled'
  | 'celery-pool'

/** The ways that are compared, the baseline first. */
export const WAYS: Readonly<Record<WayName, (place: Place) => Promise<OpenWay>>> = {
  'channel-per-call': (place) => channelPerCall(place, false),
  'channel-per-call-nodelay': (place) => channelPerCall(place, true),
  'celery-node': celeryNode,
  'celery-node-pooled': celeryNodePooled,
  'celery-pool': celeryPool,
}

/** amqplib by hand: one connection; each call opens a confirm channel, publishes, waits for the confirm and closes it. */
async function channelPerCall({ url, queue }: Place, noDelay: boolean): Promise<OpenWay> {
  const connection = await connectPlainly(url, { noDelay })
  let channelsOpened = 0
  return {
    async send(index) {
      const { id, body, properties } = taskMessage(index)
      const channel = await connection.createConfirmChannel()
      channelsOpened++
      await new Promise<void>((resolve, reject) => {
        // With an error the broker closes the channel, which rejects the close below and so the call.
        channel.on('error', reject)
        channel.publish('', queue, body, properties, (error) => (error ? reject(error) : resolve()))
      })
      await channel.close()
      return id
    },
    channelsOpened: () => channelsOpened,
    close: () => connection.close(),
  }
}

/** The complete producer of this package. */
async function celeryPool({ url, queue, name, logger }: Place): Promise<OpenWay> {
  const app = createCelery({ broker: url, name, logger, taskDefaultQueue: queue })
  const add = app.createTask<[number, number]>(TASK_NAME)
  return {
    ready: () => app.pool.ready(),
    async send(index) {
      return (await add.delay(...argsOf(index))).taskId
    },
    close: () => app.close(),
  }
}

/** The same message as the pool's. */
function taskMessage(index: number) {
  const id = randomUUID()
  const args = argsOf(index)
  const varying = { id, argsrepr: argsRepr(args), kwargsrepr: kwargsRepr({}) }
  return {
    id,
    body: Buffer.from(encodeArguments(args, {})),
    properties: taskPropertiesV2(TASK_NAME, varying, DEFAULT_TASK_OPTIONS, ORIGIN),
  }
}
