import { describe, expect, test } from '@jest/globals'
import { celeryParts } from '../../../lib/celery/celery-options.ts'
import type { TaskOptions } from '../../../lib/celery/options/task-option-values.ts'
import { taskOptions } from '../../../lib/celery/options/task-options.ts'
import type { Place } from '../../../lib/celery/routing/destination.ts'
import { Routing } from '../../../lib/celery/routing/routing.ts'
import { type RoutingOptions, routingSettings } from '../../../lib/celery/routing/routing-options.ts'
import { askedRoute, type TaskRoutes } from '../../../lib/celery/routing/task-routes.ts'
import { celeryTest } from '../../support/celery-worker.ts'
import { runPython } from '../celery-python.ts'

/** Where a task of this name goes with these options. */
function placeOf(settings: RoutingOptions, name: string, options: TaskOptions = {}): Place {
  const routing = new Routing(routingSettings(settings))
  const own = taskOptions(options)
  const { fixed, functions } = routing.routesOf(name)
  return routing.place(own, askedRoute(functions, name, [1], { a: 2 }, own) ?? fixed)
}

function destinationOf(settings: RoutingOptions, name: string, options?: TaskOptions): [string, string] {
  const { exchange, routingKey } = placeOf(settings, name, options)
  return [exchange, routingKey]
}

describe('taskRoutes', () => {
  const taskRoutes: RoutingOptions['taskRoutes'] = [
    { 'feed.import': 'feeds', 'feed.*': { queue: 'other-feeds', priority: 3 }, 'web.?*': 'web' },
    new Map<string | RegExp, TaskOptions>([[/(video|image)\.\w+/, { queue: 'media', expires: 60 }]]),
    [[/vid/i, 'late']],
    (name, args, kwargs, options) => {
      return name === 'asked' ? `q-${args[0]}-${kwargs.a}-${options.priority ?? 'none'}` : undefined
    },
    { asked: 'never', '*': 'rest' },
  ]

  test.each([
    ['the exact name goes before a pattern', 'feed.import', 'feeds'],
    ['a glob', 'feed.export', 'other-feeds'],
    ['a glob with a question mark', 'web.x', 'web'],
    ['an expression from the first letter on', 'video.encode', 'media'],
    ['an expression that matches later in the name is none', 'my.video.encode', 'rest'],
    ['the flags of an expression', 'VIDEO', 'late'],
    ['a function, which sees the call', 'asked', 'q-1-2-none'],
    ['what a function leaves open', 'something', 'rest'],
  ])('know %s', (_, name, queue) => {
    expect(destinationOf({ taskRoutes }, name)).toEqual(['', queue])
  })

  test('give way to the options of the task and the call, option by option', () => {
    const options = { queue: 'mine', shadow: 's' }
    const { options: merged, routingKey } = placeOf({ taskRoutes }, 'feed.export', options)

    expect(routingKey).toBe('mine')
    expect(merged).toMatchObject({ queue: 'mine', priority: 3, shadow: 's' })
    expect(placeOf({ taskRoutes }, 'feed.export', { queue: null, priority: null }).options).toMatchObject({
      queue: 'other-feeds',
      priority: 3,
    })
    expect(
      placeOf({ taskRoutes: { t: { countdown: 5 } } }, 't', { eta: new Date(0) }).options.countdown,
    ).toBeUndefined()
  })

  test('go before the defaults of the app, and come back when a call takes its own option away', () => {
    const settings = { taskRoutes: { 'a.*': { priority: 3 } }, taskDefaultPriority: 7 } as const
    const { options, defaults } = celeryParts({ ...settings, pool: { send() {} } as never })
    const routing = new Routing(options.routing, defaults)
    const priorityOf = (name: string, own: TaskOptions) => {
      return routing.place(taskOptions(own, taskOptions({ priority: 9 })), routing.routesOf(name).fixed).options
        .priority
    }

    expect(priorityOf('a.b', {})).toBe(9)
    expect(priorityOf('a.b', { priority: null })).toBe(3)
    expect(priorityOf('other', { priority: null })).toBe(7)
  })

  test('may be one table, one function, a Map or a list of pairs', () => {
    for (const routes of [{ t: 'q' }, () => 'q', new Map([['t', 'q']]), [['t', 'q']] as const]) {
      expect(destinationOf({ taskRoutes: routes as TaskRoutes }, 't')).toEqual(['', 'q'])
    }
  })

  test('a function that gives null or undefined leaves the call to those behind it', () => {
    const routes = [() => null, () => undefined, () => 'third']

    expect(destinationOf({ taskRoutes: routes }, 't')).toEqual(['', 'third'])
    expect(destinationOf({ taskRoutes: routes.slice(0, 2) }, 't')).toEqual(['', 'celery'])
  })

  test.each([
    [
      'nothing to read',
      () => placeOf({ taskRoutes: [() => 5 as never] }, 't'),
      /^the route that taskRoutes\[0\] gave must be/,
    ],
    [
      'a promise',
      () => placeOf({ taskRoutes: async () => 'q' } as never, 't'),
      /taskRoutes gave must be .* got an instance of Promise/,
    ],
    [
      'a wrong option',
      () => placeOf({ taskRoutes: () => ({ priority: 'x' }) as never }, 't'),
      /gave: priority must be/,
    ],
    [
      'an error',
      () =>
        placeOf(
          {
            taskRoutes: () => {
              throw new Error('no rows')
            },
          },
          't',
        ),
      /^taskRoutes threw: no rows$/,
    ],
  ])('a function that gives %s is ERR_INVALID_TASK', (_, run, message) => {
    expect(run).toThrow(expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }))
  })

  celeryTest('lead where Celery’s lead', () => {
    const settings = {
      task_default_queue: 'default',
      task_routes: [
        { 'a.exact': 'exact', 'a.*': { queue: 'a', routing_key: 'ignored.by.direct' } },
        { 'b.*': { queue: 'topics', routing_key: 'from.the.route' }, 'c.*': { priority: 7 }, '[x]*.add': 'set' },
      ],
    }
    const ours: RoutingOptions = {
      taskDefaultQueue: 'default',
      taskQueues: [{ name: 'topics', exchange: 'ex', exchangeType: 'topic', routingKey: 'own.key' }, 'default'],
      taskRoutes: [
        { 'a.exact': 'exact', 'a.*': { queue: 'a', routingKey: 'ignored.by.direct' } },
        { 'b.*': { queue: 'topics', routingKey: 'from.the.route' }, 'c.*': { priority: 7 }, '[x]*.add': 'set' },
      ],
    }
    const calls: [string, Record<string, string>][] = [
      ['a.exact', {}],
      ['a.other', {}],
      ['a.other', { queue: 'call' }],
      ['a.other', { queue: 'topics' }],
      ['b.x', {}],
      ['b.x', { queue: 'call' }],
      ['b.x', { routing_key: 'from.the.call' }],
      ['c.x', {}],
      ['c.x', { queue: 'topics' }],
      ['c.x', { exchange: 'ex', routing_key: 'k' }],
      ['d', { queue: 'topics', exchange: 'other', routing_key: 'k' }],
      ['d', { exchange: 'ex', exchange_type: 'topic', routing_key: 'k' }],
      ['x.add', {}],
      ['d', {}],
    ]
    const program = `
import json, sys
from celery import Celery
from kombu import Exchange, Queue
settings, calls = json.load(sys.stdin)
app = Celery('t', broker='memory://')
app.conf.update(settings)
app.conf.task_queues = [Queue('topics', Exchange('ex', type='topic'), 'own.key'), Queue('default', Exchange('default'), 'default')]
sent = []
class P:
    def publish(self, body, exchange=None, routing_key=None, **kw): sent.append([exchange, routing_key])
for name, options in calls:
    options = app.amqp.router.route(dict(options), name, [1], {})
    app.amqp.send_task_message(P(), name, app.amqp.as_task_v2('id', name), **options)
print(json.dumps(sent))
`
    const expected = runPython(program, [settings, calls])
    const sent = calls.map(([name, { exchange_type: exchangeType, routing_key: routingKey, ...rest }]) => {
      return destinationOf(ours, name, { ...rest, exchangeType, routingKey })
    })

    expect(sent).toEqual(expected)
  })
})

describe('the destination', () => {
  const taskQueues: RoutingOptions['taskQueues'] = [
    { name: 'feeds', exchange: 'media', exchangeType: 'topic', routingKey: 'feed.#' },
    { name: 'all', exchange: { name: 'news', type: 'fanout' } },
    { name: 'bound', exchange: 'ex', routingKey: 'bound.key' },
  ]

  test.each<[string, TaskOptions, [string, string]]>([
    ['the default queue', {}, ['', 'celery']],
    ['a queue behind a direct exchange, by its name', { queue: 'bound' }, ['', 'bound']],
    ['the same with the key that binds it', { queue: 'bound', routingKey: 'bound.key' }, ['', 'bound']],
    ['a queue behind a topic exchange, with its key', { queue: 'feeds' }, ['media', 'feed.#']],
    [
      'a queue behind a topic exchange, with the call’s key',
      { queue: 'feeds', routingKey: 'feed.x' },
      ['media', 'feed.x'],
    ],
    [
      'a queue behind a topic exchange, made direct by the call',
      { queue: 'feeds', exchangeType: 'direct' },
      ['', 'feeds'],
    ],
    ['a queue behind a fanout exchange', { queue: 'all' }, ['news', 'all']],
    ['an exchange and a key', { exchange: 'e', routingKey: 'k' }, ['e', 'k']],
    ['an exchange alone, with the default queue’s key', { exchange: 'e' }, ['e', 'celery']],
    ['an exchange and a queue, with the queue’s key', { exchange: 'e', queue: 'bound' }, ['e', 'bound.key']],
    ['the default exchange and a key', { exchange: '', routingKey: 'q' }, ['', 'q']],
    ['a queue that the call describes', { queue: { name: 'q', exchange: 'e', exchangeType: 'topic' } }, ['e', 'q']],
  ])('is %s', (_, options, expected) => {
    expect(destinationOf({ taskQueues, taskDefaultQueue: 'celery' }, 't', options)).toEqual(expected)
  })

  test.each<[TaskOptions, RegExp]>([
    [{ routingKey: 'k' }, /^routingKey \(k\) needs an exchange; a queue is named by the option queue$/],
    [{ routingKey: 'k', queue: 'q' }, /^routingKey \(k\) and queue \(q\) name two places/],
    [{ routingKey: 'k', queue: { name: 'q' } }, /^routingKey \(k\) and queue \(q\) name two places/],
    [{ exchangeType: 'topic', queue: 'q' }, /^exchangeType \(topic\) needs an exchange, and queue q has none$/],
  ])('with %j is refused, where Celery would ignore a part of it', (options, message) => {
    expect(() => destinationOf({}, 't', options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_TASK', message: expect.stringMatching(message) }),
    )
  })

  test('of a queue that is unknown is refused, with the known ones, when missing ones are not created', () => {
    const settings: RoutingOptions = { taskCreateMissingQueues: false, taskQueues: ['a', { name: 'b' }] }
    const message = 'queue celery is not among taskQueues (a, b), and taskCreateMissingQueues is false'

    expect(destinationOf(settings, 't', { queue: 'b' })).toEqual(['', 'b'])
    expect(destinationOf(settings, 't', { queue: { name: 'described' } })).toEqual(['', 'described'])
    expect(() => destinationOf(settings, 't')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_TASK', message }))
    expect(() => routingSettings({ ...settings, taskRoutes: { t: 'c' } })).toThrow(
      'taskRoutes["t"] leads to queue c, which is not among taskQueues (a, b)',
    )
  })

  test('follows the defaults of the app', () => {
    const settings: RoutingOptions = {
      taskDefaultQueue: 'default',
      taskDefaultExchange: 'tasks',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'task.default',
    }
    const withQueues: RoutingOptions = { ...settings, taskQueues: { feeds: { routingKey: 'feed.#' } } }

    expect(destinationOf(settings, 't')).toEqual(['tasks', 'task.default'])
    expect(destinationOf(withQueues, 't', { queue: 'feeds', routingKey: 'feed.x' })).toEqual(['tasks', 'feed.x'])
    expect(destinationOf(withQueues, 't', { queue: 'named' })).toEqual(['', 'named'])
  })
})

test.each<[RoutingOptions | object, RegExp]>([
  [{ taskDefaultQueue: 5 }, /^taskDefaultQueue must be a string of 255 bytes at most/],
  [{ taskDefaultQueueType: 'quorums' }, /^taskDefaultQueueType must be one of classic, quorum, got "quorums"$/],
  [{ taskCreateMissingQueues: 1 }, /^taskCreateMissingQueues must be true or false, got 1$/],
  [{ taskQueueMaxPriority: 0 }, /^taskQueueMaxPriority must be an integer from 1 to 255, got 0$/],
  [{ taskQueues: 'q' }, /^taskQueues must be a list, got "q"$/],
  [{ taskQueues: [5] }, /^taskQueues\[0\] must be an object, got 5$/],
  [{ taskQueues: [''] }, /^taskQueues\[0\]\.name must be a name that is not empty/],
  [{ taskQueues: ['q', { name: 'q' }] }, /^taskQueues has two queues of the name q$/],
  [{ taskQueues: [{ name: 'q', expires: 0 }] }, /^taskQueues\[0\]\.expires must be a number of seconds from 0\.001 to/],
  [{ taskQueues: [{ name: 'q', messageTtl: -1 }] }, /^taskQueues\[0\]\.messageTtl must be a number of seconds from 0/],
  [
    { taskQueues: [{ name: 'q', arguments: { x: () => 1 } }] },
    /^taskQueues\[0\]\.arguments\.x must be a string, a number/,
  ],
  [
    { taskQueues: [{ name: 'q', bindings: [{ routingKey: 'k' }] }] },
    /bindings\[0\]\.exchange must be an exchange with/,
  ],
  [
    { taskQueues: [{ name: 'q', exchange: { name: 'e', kind: 'topic' } }] },
    /^taskQueues\[0\]\.exchange\.kind is not known/,
  ],
  [
    { taskQueues: [{ name: 'q', queueType: 'quorum', maxPriority: 5 }] },
    /^taskQueues\[0\] is a quorum queue \(q\), which cannot have maxPriority \(RabbitMQ has no x-max-priority there\)$/,
  ],
  [{ taskQueueMaxPriority: 5, taskDefaultQueueType: 'quorum' }, /^taskDefaultQueue is a quorum queue \(celery\)/],
  [{ taskQueues: [{ name: 'q', queueType: 'quorum', durable: false }] }, /which cannot have durable: false$/],
  [{ taskRoutes: 'tasks.route' }, /^taskRoutes must be a function, an object of routes by name, or a Map or a list/],
  [{ taskRoutes: [{}, 7] }, /^taskRoutes\[1\] must be a function/],
  [{ taskRoutes: { t: 7 } }, /^taskRoutes\["t"\] must be a queue's name or an object of options, got 7$/],
  [{ taskRoutes: { t: { que: 'q' } } }, /^taskRoutes\["t"\]: que is not an option of a task; did you mean queue\?$/],
  [{ taskRoutes: { t: { taskId: 'x' } } }, /^taskRoutes\["t"\]\.taskId can only be set for a task or a call$/],
  [{ nativeDelayedDelivery: 'yes' }, /^nativeDelayedDelivery must be true or false/],
])('createCelery with %j is ERR_INVALID_OPTION', (options, message) => {
  expect(() => celeryParts(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
  )
})

test('the routes of a name are looked up once', () => {
  const routing = new Routing(routingSettings({ taskRoutes: { '*': 'q' } }))

  expect(routing.routesOf('t')).toBe(routing.routesOf('t'))
})
