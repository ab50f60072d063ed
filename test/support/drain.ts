import { type ConsumeMessage, connect } from 'amqplib'
import { until } from './condition.ts'

/** No message for so long means that the queue is empty, if it says so itself. */
const QUIET_MS = 150
const LIMIT_MS = 60_000

/** Takes every message of a queue, until it is empty twice with a quiet while between. */
export async function drain(url: string, queue: string, taken: (message: ConsumeMessage) => void): Promise<void> {
  const connection = await connect(url, { noDelay: true })
  connection.on('error', () => {})
  try {
    const channel = await connection.createChannel()
    for (let times = 0; times < 2; times++) {
      let lastAt = performance.now()
      const { consumerTag } = await channel.consume(
        queue,
        (message) => {
          lastAt = performance.now()
          if (message !== null) taken(message)
        },
        { noAck: true },
      )
      await until(async () => {
        if (performance.now() - lastAt < QUIET_MS) return false
        return (await channel.checkQueue(queue)).messageCount === 0 && performance.now() - lastAt >= QUIET_MS
      }, LIMIT_MS)
      await channel.cancel(consumerTag)
    }
  } finally {
    await connection.close()
  }
}
