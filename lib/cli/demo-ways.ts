import { createCelery } from '../celery/celery.ts'
import { celeryNode, celeryNodePooled } from './demo-celery-node.ts'
import type { OpenWay, Place } from './open-way.ts'
import { channelPerCall, type PlainTask, plainTask } from './per-call-ways.ts'
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
  'channel-per-call': (place) => channelPerCall(place, taskOf, { noDelay: false }),
  'channel-per-call-nodelay': (place) => channelPerCall(place, taskOf, { noDelay: true }),
  'celery-node': celeryNode,
  'celery-node-pooled': celeryNodePooled,
  'celery-pool': celeryPool,
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
function taskOf(index: number): PlainTask {
  return plainTask(TASK_NAME, argsOf(index), {})
}
