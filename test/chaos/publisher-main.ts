// One publishing process of a chaos run: sends numbered tasks, writes down what becomes of each, and does as it is
// told over its IPC channel. It ends with its parent.

import type { Order, PublisherSettings, Report } from './protocol.ts'
import { Publisher } from './publisher.ts'

const STATUS_MS = 250

const say = (report: Report): void => {
  if (process.connected) process.send?.(report)
}
const publisher = new Publisher(JSON.parse(process.env.CHAOS_PUBLISHER as string) as PublisherSettings)

process.on('disconnect', () => process.exit(1))
process.on('message', (order: Order) => {
  if (order.type === 'mark') {
    void publisher.resumed().then((afterMs) => say({ type: 'resumed', mark: order.mark, afterMs }))
  } else if (order.type === 'rest') {
    void publisher.rest().then((complaints) => say({ type: 'rested', complaints }))
  } else publisher.go()
})
process.once('SIGTERM', () => {
  clearInterval(statusTimer)
  void publisher.close().then((complaints) => {
    const report: Report = { type: 'closed', complaints, ...publisher.figures() }
    process.send?.(report, () => process.exit(0))
  })
})
const statusTimer = setInterval(() => say({ type: 'status', ...publisher.figures() }), STATUS_MS)

await publisher.start()
say({ type: 'ready' })
