import { createCelery } from '../../dist/index.js'
import { TASK_NAME } from '../harness/celery-message.js'
import { ownVersion } from '../harness/versions.js'

/** The package itself, as its README shows it: `delay()` resolves when the broker has confirmed. */
export async function connect({
  url,
  queue,
  toQueue,
  inFlight,
  connections,
  channels,
  poolOptions = {},
  taskOptions = {},
}) {
  const app = createCelery({
    broker: url,
    logger: false,
    ...sizes(connections, channels),
    ...patience(inFlight),
    ...poolOptions,
  })
  const add = app.createTask(TASK_NAME, { queue, declare: toQueue, mandatory: toQueue, ...taskOptions })
  await app.pool.ready()

  return {
    version: ownVersion(),
    send: (number) => add.delay(number, 3),
    close: () => app.pool.close(),
  }
}

function sizes(connections = 1, channels) {
  return channels === undefined ? { connections } : { connections, minChannels: channels, maxChannels: channels }
}

/** 100,000 messages at once take a slow broker longer than the 10 s that a publish has by default. */
export function patience(inFlight) {
  return inFlight > 10_000 ? { publishTimeoutMs: 120_000, confirmTimeoutMs: 60_000 } : {}
}
