import { expect, test } from '@jest/globals'
import { connect } from 'amqplib'
import { useBroker } from '/work/main/test/support/broker.ts'
const broker = useBroker()
test('x', async () => {
  const c = await connect(broker.url, { noDelay: true })
  const counts: Record<string, number> = {}
  for (let i = 0; i < 100; i++) {
    const ch = await c.createConfirmChannel()
    const { queue: q } = await ch.assertQueue(broker.queueName(), { durable: false })
    await ch.assertExchange('xx1', 'topic', { durable: false })
    await ch.bindQueue(q, 'xx1', `a.${i}`)
    ch.publish('xx1', `a.${i}`, Buffer.from('x'))
    const { messageCount } = await ch.checkQueue(q)
    counts[messageCount] = (counts[messageCount] ?? 0) + 1
    await ch.close()
  }
  console.log(counts)
  await c.close()
})
