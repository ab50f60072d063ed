import { afterEach, expect, test } from '@jest/globals'
import { Consumer } from '../../lib/amqp/consumer.ts'
import { until } from '../support/condition.ts'
import { closeConnections, openConnection } from './recorded-owners.ts'
import { CHANNEL_1, startScriptedServer } from './scripted-server.ts'

afterEach(closeConnections)

const CONSUMED = {
  ...CHANNEL_1,
  QueueDeclare: [{ name: 'QueueDeclareOk', channel: 1, fields: { queue: 'q', messageCount: 0, consumerCount: 0 } }],
  BasicConsume: [{ name: 'BasicConsumeOk', channel: 1, fields: { consumerTag: 'c' } }],
}
const DELIVERY = {
  name: 'BasicDeliver',
  channel: 1,
  fields: { consumerTag: 'c', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' },
}
/** The content header of a message of one byte, and its body, on channel 1. */
const CONTENT = Buffer.from('0200010000000e003c000000000000000000010000ce0300010000000178ce', 'hex')
/** amqplib closes the connection over it. */
const ON_NO_CHANNEL = { name: 'BasicAck', channel: 77, fields: { deliveryTag: 1, multiple: false } }

test('an ack that meets a connection which is being closed is left out, and does not end the process', async () => {
  await using server = await startScriptedServer(CONSUMED)
  const { connection } = await openConnection(server.url)
  const received: string[] = []
  const ends: Error[] = []
  const consumer = new Consumer(
    { declare: async (channel) => (await channel.assertQueue('q')).queue, noAck: false },
    { received: ({ content }) => void received.push(content.toString()), ended: (reason) => void ends.push(reason) },
  )
  await consumer.open(connection)
  server.send(DELIVERY, CONTENT, ON_NO_CHANNEL)
  await until(() => ends.length === 1)

  expect(received).toEqual(['x'])
  expect(server.count('BasicAck')).toBe(0)
})
