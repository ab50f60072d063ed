import { expect, test } from '@jest/globals'
import type { DemoResult, DemoRun } from '../../lib/cli/demo.ts'
import { demoText } from '../../lib/cli/demo-text.ts'
import type { Broker, BrokerKind } from '../../lib/testing/broker.ts'

function brokerOf(kind: BrokerKind, product: string): Broker {
  const stop = async () => {}
  return { url: 'amqp://127.0.0.1', kind, product, version: '1.2.3', stop, [Symbol.asyncDispose]: stop }
}

const RUN: DemoRun = {
  name: 'channel-per-call',
  tasks: 1_000,
  tasksPerSecond: 1_234.5,
  confirmMs: { p50: 9.876, p99: 123.4 },
  cpuMicrosPerTask: 350.4,
  channelsOpened: 1_000,
  publishesPerChannel: 1,
  lost: 0,
  duplicated: 0,
  speedup: 1,
}
const RESULT: DemoResult = {
  broker: { kind: 'rabbitmq', version: '1.2.3' },
  runs: [RUN, { ...RUN, name: 'celery-pool', channelsOpened: 1, publishesPerChannel: 1_000, speedup: 12.34 }],
  reuse: { publishes: 1_000, channelsOpened: 1, reuseRatio: 0.999 },
}

function textOf(broker: Broker, result = RESULT): string {
  return demoText(broker, result, (text) => text)
}

test('the page has a line of figures for each way', () => {
  expect(textOf(brokerOf('rabbitmq', 'RabbitMQ')).split('\n').slice(1).join('\n')).toBe(`\
Persistent Celery v2 tasks to a durable queue, 100 calls at a time

                  tasks  tasks/s  p50 ms  p99 ms  CPU us/task  channels  tasks/channel  ratio
channel-per-call  1,000    1,235    9.88     123          350     1,000              1   1.00
celery-pool       1,000    1,235    9.88     123          350         1          1,000   12.3
p50, p99: from a call to its confirm; ratio: tasks/s to those of the first line

All 2,000 tasks arrived exactly as sent, once each
99.9 % channel reuse, read back from the log of the pools: 1,000 publishes over 1 channel
`)
})

test('celery-node has a footnote, since it has no confirms', () => {
  const runs = [RUN, { ...RUN, name: 'celery-node' as const }]

  const text = textOf(brokerOf('rabbitmq', 'RabbitMQ'), { ...RESULT, runs })

  expect(text).toMatch(/^celery-node \* /m)
  expect(text).toMatch(/^\* it has no confirms/m)
  expect(text).toMatch(/^RabbitMQ 1\.2\.3 \(a private node\), Node \S+, amqplib 2\.\S+, celery-node \d/)
})

test.each([
  ['emulator', 'amqp-emulator', true],
  ['external', 'amqp-emulator', true],
  ['external', 'RabbitMQ', false],
  ['rabbitmq', 'RabbitMQ', false],
] as const)('of a broker that is %s and %s the figures are called an emulator’s: %s', (kind, product, isLabelled) => {
  expect(textOf(brokerOf(kind, product)).includes("the emulator's own")).toBe(isLabelled)
})

test('what was lost or came too often is said', () => {
  const runs = [{ ...RUN, lost: 2, duplicated: 1 }]

  expect(textOf(brokerOf('rabbitmq', 'RabbitMQ'), { ...RESULT, runs })).toContain(
    'Of 1,000 tasks 2 did not arrive as sent; 1 message too many arrived',
  )
})
