import { spawn } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import type { ConsumeMessage } from 'amqplib'
import { ORIGIN } from '../../lib/celery/message/message-v2.ts'
import { useBroker } from '../support/broker.ts'
import { celeryTest } from '../support/celery-worker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { makeApp, makeProxy, NOWHERE } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { CELERY } from './celery-python.ts'

const broker = useBroker()
const queues = useQueues(broker.url)

/** A queue that gets the events of this test run's apps. */
async function eventQueue(): Promise<string> {
  const queue = await queues.declare({ durable: false })
  await queues.channel.assertExchange('celeryev', 'topic', { durable: true })
  await queues.channel.bindQueue(queue, 'celeryev', 'task.#')
  return queue
}

function eventIn(message: ConsumeMessage | undefined): Record<string, unknown> {
  return JSON.parse(message?.content.toString() as string)
}

describe('taskSendSentEvent', () => {
  test('sends what Celery sends: the same fields, properties and route', async () => {
    const events = await eventQueue()
    const app = makeApp({ broker: broker.url, taskSendSentEvent: true })
    const queue = queues.name()
    await app.pool.ready()
    const { taskId } = await app.sendTask('tasks.add', [1, 2], { k: 'é' }, { queue, expires: 60, retries: 1 })
    await app.sendTask('tasks.mul', ['secret'], {}, { queue, argsrepr: '(***)', parentId: 'p', rootId: 'r' })

    const [first, second] = await queues.take(events, 2)
    expect(first?.fields).toMatchObject({ exchange: 'celeryev', routingKey: 'task.sent' })
    expect(first?.properties).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 1,
      priority: 0,
      headers: { hostname: ORIGIN },
    })
    expect(eventIn(first)).toEqual({
      hostname: ORIGIN,
      utcoffset: Math.floor(new Date().getTimezoneOffset() / 60),
      pid: process.pid,
      clock: 1,
      uuid: taskId,
      root_id: taskId,
      parent_id: null,
      name: 'tasks.add',
      args: '(1, 2)',
      kwargs: "{'k': 'é'}",
      retries: 1,
      eta: null,
      expires: expect.stringMatching(/\+00:00$/),
      queue,
      exchange: '',
      routing_key: queue,
      timestamp: expect.any(Number),
      type: 'task-sent',
    })
    expect(eventIn(second)).toMatchObject({ clock: 2, args: '(***)', parent_id: 'p', root_id: 'r' })
  })

  test('shows masked arguments to nobody, in protocol v1 or with a listener either', async () => {
    const events = await eventQueue()
    const options = { queue: queues.name(), argsrepr: '(***)', kwargsrepr: '{***}' }
    for (const taskProtocol of [1, 2] as const) {
      const app = makeApp({ broker: broker.url, taskSendSentEvent: true, taskProtocol })
      await app.pool.ready()
      if (taskProtocol === 2) app.on('beforeTaskPublish', () => {})
      await app.sendTask('tasks.add', ['secret'], { s: 'secret' }, options)
    }

    for (const message of await queues.take(events, 2)) {
      expect(eventIn(message)).toMatchObject({ args: '(***)', kwargs: '{***}' })
    }
  })

  test('costs a task nothing when its event cannot be sent', async () => {
    const app = makeApp({ broker: broker.url, taskSendSentEvent: true })
    const queue = queues.name()
    await app.pool.ready()
    // As an exchange of another type the declaration is refused, and the event has nowhere to go.
    await queues.channel.deleteExchange('celeryev')
    afterTest(() => queues.channel.deleteExchange('celeryev'))
    await queues.channel.assertExchange('celeryev', 'fanout', { durable: false, autoDelete: false })
    await Promise.all([1, 2, 3].map((n) => app.sendTask('tasks.add', [n], {}, { queue })))

    expect(await queues.depth(queue)).toBe(3)
  })

  test('while the broker is away takes no room from tasks', async () => {
    const app = makeApp({ broker: NOWHERE, taskSendSentEvent: true, maxWaiting: 2 })
    const sending = [1, 2].map((n) => app.sendTask('tasks.add', [n]).catch(() => {}))

    expect(app.pool.stats()).toMatchObject({ waiting: 2, publishes: 2 })
    await app.close({ timeoutMs: 50 })
    await Promise.all(sending)
  })

  test('tells of the first task of a process, once it is confirmed', async () => {
    const events = await eventQueue()
    const app = makeApp({ broker: broker.url, taskSendSentEvent: true })
    const { taskId } = await app.sendTask('tasks.add', [1, 2], {}, { queue: queues.name() })

    const [event] = await queues.take(events, 1)
    expect(eventIn(event)).toMatchObject({ uuid: taskId, args: '(1, 2)' })
  })

  test('has a thousand events open at most', async () => {
    const proxy = await makeProxy(broker.url)
    const app = makeApp({ broker: proxy.url, taskSendSentEvent: true })
    const queue = queues.name()
    await app.pool.ready()
    await app.sendTask('tasks.add', [], {}, { queue })
    await until(() => app.pool.stats().confirms === 2)
    await proxy.set('black-hole')
    const sending = Array.from({ length: 1_200 }, (_, n) => app.sendTask('tasks.add', [n], {}, { queue }))

    expect(app.pool.stats().publishes).toBe(2 + 1_200 + 1_000)
    await proxy.set('pass')
    proxy.reset()
    await Promise.all(sending)
  })

  celeryTest(
    'is what Celery’s own monitor makes a task of',
    async () => {
      const program = `
import sys
from celery import Celery
app = Celery(broker=sys.argv[1])
state = app.events.State()
with app.connection() as connection:
    def told(event):
        state.event(event)
        task = state.tasks.get(event.get('uuid'))
        if task is not None and task.name == 'tasks.watched':
            print(task.state, task.name, task.args, task.kwargs, task.routing_key, task.clock, flush=True)
            receiver.should_stop = True
    receiver = app.events.Receiver(connection, handlers={'*': told})
    with receiver.consumer_context():
        print('ready', flush=True)
        for _ in receiver.itercapture(limit=None, timeout=None, wakeup=False):
            pass
`
      const child = spawn(CELERY?.python as string, ['-c', program, broker.url], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      afterTest(() => {
        child.kill('SIGKILL')
      })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text) => {
        output += text
      })
      await until(() => output.includes('ready'))
      const app = makeApp({ broker: broker.url, taskSendSentEvent: true })
      await app.pool.ready()
      const queue = queues.name()
      const task = app.createTask('tasks.watched', { queue })
      // The receiver's queue is bound when it says so, or a little later.
      await until(async () => {
        await task.applyAsync([1], { a: 2 })
        return output.includes('watched')
      })

      expect(output).toContain(`PENDING tasks.watched (1,) {'a': 2} ${queue} `)
    },
    60_000,
  )
})
