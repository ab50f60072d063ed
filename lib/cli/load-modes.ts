import { createCelery } from '../celery/celery.ts'
import type { OpenWay } from './open-way.ts'
import { channelPerCall, connectionPerCall, plainTask } from './per-call-ways.ts'

/** What a load test sends, and where to. */
export interface LoadTarget {
  readonly url: string
  /** It exists. */
  readonly queue: string
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
}

/** The ways of sending that a load test knows. */
export type LoadMode = 'pooled' | 'channel-per-call' | 'connection-per-call'

/** Each sends the same message; by hand means with amqplib's confirm channels, and noDelay. */
export const LOAD_MODES: Readonly<Record<LoadMode, (target: LoadTarget) => Promise<OpenWay>>> = {
  pooled,
  'channel-per-call': (target) => channelPerCall(target, () => messageOf(target), { noDelay: true }),
  'connection-per-call': (target) => connectionPerCall(target, () => messageOf(target)),
}

async function pooled({ url, queue, task, args, kwargs }: LoadTarget): Promise<OpenWay> {
  const app = createCelery({ broker: url, name: 'load-test', logger: false, taskDefaultQueue: queue })
  const sender = app.createTask(task, { declare: false })
  let connectionsOpened = 0
  app.pool.on('connect', () => connectionsOpened++)
  return {
    ready: () => app.pool.ready(),
    async send() {
      return (await sender.applyAsync(args, kwargs)).taskId
    },
    channelsOpened: () => app.pool.stats().channelsOpened,
    connectionsOpened: () => connectionsOpened,
    close: () => app.close(),
  }
}

function messageOf({ task, args, kwargs }: LoadTarget) {
  return plainTask(task, args, kwargs)
}
