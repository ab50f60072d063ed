import { expect, test } from '@jest/globals'
import { type ArrivedMessage, TASK_NAME, TaskArrivals } from '../../lib/cli/task-arrivals.ts'

type Properties = ArrivedMessage['properties']

function message(id: string, body: unknown, properties: Properties = {}): ArrivedMessage {
  return {
    content: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    properties: {
      headers: { task: TASK_NAME, id },
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: id,
      deliveryMode: 2,
      ...properties,
    },
  }
}

test('tasks that arrive once each, in any order, are all there', () => {
  const arrivals = new TaskArrivals(['a', 'b'])

  arrivals.add(message('b', [[1, 2], {}, { chain: null }]))
  expect(arrivals.isComplete).toBe(false)
  arrivals.add(message('a', [[0, 1], {}, {}]))

  expect(arrivals).toMatchObject({ isComplete: true, lost: 0, altered: 0, duplicated: 0 })
})

test('a task that does not arrive is lost, one that arrives twice or was never sent is surplus', () => {
  const arrivals = new TaskArrivals(['a', 'b'])

  for (const id of ['a', 'a', 'stranger']) arrivals.add(message(id, [[0, 1], {}, {}]))
  arrivals.addSurplus(2)

  expect(arrivals).toMatchObject({ isComplete: false, lost: 1, altered: 0, duplicated: 4 })
})

test.each<[string, unknown, Properties]>([
  ['other arguments', [[0, 2], {}, {}], {}],
  ['arguments of another type', [['0', '1'], {}, {}], {}],
  ['keyword arguments', [[0, 1], { x: 1 }, {}], {}],
  ['a body without its third element', [[0, 1], {}], {}],
  ['a body that is no JSON', '[[0,1],{}', {}],
  ['a body that is no list', 'null', {}],
  ['another task', [[0, 1], {}, {}], { headers: { task: 'other', id: 'a' } }],
  ['another correlation id', [[0, 1], {}, {}], { correlationId: 'b' }],
  ['another encoding', [[0, 1], {}, {}], { contentEncoding: 'binary' }],
  ['a message that a restart would lose', [[0, 1], {}, {}], { deliveryMode: 1 }],
])('%s is not what was sent, and counts as lost', (_, body, properties) => {
  const arrivals = new TaskArrivals(['a'])

  arrivals.add(message('a', body, properties))

  expect(arrivals).toMatchObject({ isComplete: true, lost: 1, altered: 1, duplicated: 0 })
})
