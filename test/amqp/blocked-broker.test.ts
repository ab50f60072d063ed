import { afterAll, afterEach, beforeAll, expect } from '@jest/globals'
import { type RabbitmqNode, startRabbitmqNode } from '../../lib/testing/index.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { closeConnections, messageOf, newChannel, openConnection, templateOf } from './recorded-owners.ts'

// An alarm stops all publishers of a node, so that this file has one of its own.
let node: RabbitmqNode

beforeAll(async () => {
  node = await startRabbitmqNode()
}, 60_000)

afterEach(async () => {
  await closeConnections()
  await endAlarm()
}, 60_000)

afterAll(async () => {
  await node.stop()
})

async function raiseAlarm(): Promise<void> {
  await node.ctl('set_vm_memory_high_watermark', '0')
}

async function endAlarm(): Promise<void> {
  await node.ctl('set_vm_memory_high_watermark', '0.4')
}

const template = templateOf({ routingKey: 'blocked' })

async function open(fastPath: boolean) {
  const { connection, told } = await openConnection(node.url)
  const { channel, answers } = newChannel(await connection.openChannel(), connection, {
    fastPath,
    confirmTimeoutMs: 300,
  })
  return { connection, told, channel, answers }
}

for (const fastPath of [true, false]) {
  rabbitmqNodeTest(
    `a publish in an alarm waits for its end and is confirmed, ${fastPath ? 'encoded ahead' : 'by amqplib’s publish'}`,
    async () => {
      const { connection, told, channel, answers } = await open(fastPath)
      await raiseAlarm()
      // RabbitMQ says that it reads no more when the first publish comes.
      channel.write(messageOf(template, 1), performance.now())
      channel.flush()
      expect(await told.next('blocked')).toMatchObject({ reason: expect.stringMatching(/memory/) })
      expect(connection).toMatchObject({ state: 'blocked', isOpen: true, isBlocked: true })
      expect(channel.room).toBe(0)
      // Longer than a confirm may take: a blocked broker is not a broken one.
      const blockedAt = performance.now()
      await until(() => performance.now() > blockedAt + 700)
      expect(channel.isUsable).toBe(true)
      await endAlarm()
      await answers.untilAnswered(1)

      expect(answers.answerTo(1)).toBe('confirmed')
      expect(told.events.map(({ name }) => name)).toEqual(['opened', 'blocked', 'unblocked'])
      expect(told.of('unblocked')[0]?.blockedMs).toBeGreaterThan(700)
      expect(connection.readingSince).toBeGreaterThan(blockedAt)
      expect(channel.room).toBe(1_024)
    },
    60_000,
  )
}

rabbitmqNodeTest(
  'a channel and a connection that are blocked can be closed, each in its time',
  async () => {
    const { connection, told, channel, answers } = await open(true)
    await raiseAlarm()
    channel.write(messageOf(template, 1), performance.now())
    channel.flush()
    await told.next('blocked')
    const startedAt = performance.now()
    await channel.destroy('pool closed')
    expect(answers.numbers('orphaned')).toEqual([1])
    expect(connection.state).toBe('blocked')
    await connection.close(1_000)

    expect(performance.now() - startedAt).toBeLessThan(6_000)
    expect(connection.state).toBe('closed')
  },
  60_000,
)

rabbitmqNodeTest(
  'a blocked connection that is lost is opened again, and is blocked no more until the broker says so',
  async () => {
    const { connection, told, channel } = await open(true)
    await raiseAlarm()
    channel.write(messageOf(template, 1), performance.now())
    channel.flush()
    await told.next('blocked')
    connection.abort(new Error('lost'))
    await told.next('opened', 2)

    expect(connection).toMatchObject({ state: 'open', isBlocked: false, generation: 2 })
    const again = newChannel(await connection.openChannel(), connection)
    again.channel.write(messageOf(template, 1), performance.now())
    again.channel.flush()
    await told.next('blocked', 2)
  },
  60_000,
)
