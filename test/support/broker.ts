import { randomUUID } from 'node:crypto'
import { afterAll } from '@jest/globals'
import { connect } from 'amqplib'
import type { BrokerKind } from '../../lib/testing/index.ts'
import { runCommand } from '../../lib/testing/rabbitmq-node.ts'
import { askForBroker } from './broker-desk.ts'
import { type ConditionalTest, testThatNeeds } from './needs.ts'

// Tests are known before they run, so whether they can run is known before that.
const { url, kind, product, version, ctl } = await askForBroker()
const reason = `the broker is ${product} (${kind})`
// For what a test starts in another process.
process.env.TEST_BROKER_URL = url
process.env.TEST_BROKER_KIND = kind

/** The run's broker, as a test file sees it. Other files use it at the same time, so it must not be broken. */
export interface TestBroker {
  readonly url: string
  readonly kind: BrokerKind
  readonly product: string
  readonly version: string
  /** A name that no other test uses; the queue of that name is deleted after the file's tests. */
  queueName(label?: string): string
  /** Runs `rabbitmqctl`; only for tests by `rabbitmqNodeTest`. */
  ctl(...args: string[]): Promise<string>
}

/** The run's broker. To be called once, at the top of a test file. */
export function useBroker(): TestBroker {
  const queues: string[] = []
  afterAll(() => deleteQueues(url, queues))
  return {
    url,
    kind,
    product,
    version,
    queueName(label = 'test') {
      const name = uniqueName(label)
      queues.push(name)
      return name
    },
    async ctl(...args) {
      if (ctl === undefined) throw new Error(`${product} (${kind}) has no rabbitmqctl; use rabbitmqNodeTest`)
      return runCommand(ctl, args)
    },
  }
}

/** A name for an exchange, a queue or a task that nothing else uses. */
export function uniqueName(label: string): string {
  return `${label}.${randomUUID()}`
}

/** A test that needs what amqp-emulator lacks, and RabbitMQ has. */
export const rabbitmqTest: ConditionalTest = testThatNeeds('RabbitMQ', product === 'RabbitMQ', reason)

/** A test that starts RabbitMQ nodes of its own, to break them, or runs `rabbitmqctl`. */
export const rabbitmqNodeTest: ConditionalTest = testThatNeeds('a private RabbitMQ node', ctl !== undefined, reason)

async function deleteQueues(url: string, queues: readonly string[]): Promise<void> {
  if (queues.length === 0) return
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  // Deleting a queue that does not exist is no error.
  for (const queue of queues) await channel.deleteQueue(queue)
  await connection.close()
}
