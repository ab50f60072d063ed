import { afterEach, expect, test } from '@jest/globals'
import { Deadlines } from '../../lib/pool/deadlines.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/producer.ts'
import { until } from '../support/condition.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)
const expired: string[] = []
let deadlines = new Deadlines(() => {})

afterEach(() => {
  deadlines.stop()
  expired.length = 0
})

function start(onExpire: (publish: PendingPublish) => void = () => {}): void {
  deadlines = new Deadlines((publish) => {
    expired.push(publish.body as string)
    onExpire(publish)
  })
}

function add(name: string, timeoutMs: number): PendingPublish {
  const publish = new PendingPublish(template, [], name, undefined)
  deadlines.add(publish, timeoutMs, performance.now())
  return publish
}

test('each publish expires by its own deadline, not before and not long after', async () => {
  const startedAt = performance.now()
  const times = new Map<string, number>()
  start(({ body }) => times.set(body as string, performance.now() - startedAt))
  for (const ms of [90, 30, 60, 30]) add(`${ms}`, ms)
  await until(() => expired.length === 4)

  expect(expired).toEqual(['30', '30', '60', '90'])
  for (const [name, ms] of times) {
    expect(ms).toBeGreaterThanOrEqual(Number(name))
    expect(ms).toBeLessThan(Number(name) + 100)
  }
})

test('what was removed does not expire, wherever it stood', async () => {
  start()
  const items = ['a', 'b', 'c', 'd'].map((name) => add(name, 20))
  for (const index of [0, 2, 3]) deadlines.remove(items[index] as PendingPublish)
  deadlines.remove(items[0] as PendingPublish)
  add('last', 40)
  await until(() => expired.includes('last'))

  expect(expired).toEqual(['b', 'last'])
})

test('all that have not expired can be gone through', () => {
  start()
  const [a] = [add('a', 1_000), add('b', 2_000), add('c', 1_000)]
  deadlines.remove(a as PendingPublish)

  expect([...deadlines].map(({ body }) => String(body)).sort()).toEqual(['b', 'c'])
})

test('an expiry that adds a publish, earlier than all others, gets it expired too', async () => {
  start(({ body }) => {
    if (body === 'first') add('added', 5)
  })
  add('first', 10)
  add('last', 500)
  await until(() => expired.length === 3)

  expect(expired).toEqual(['first', 'added', 'last'])
})

test('an expiry that removes others spares them', async () => {
  let spared: PendingPublish | undefined
  start(() => deadlines.remove(spared as PendingPublish))
  add('first', 10)
  spared = add('spared', 10)
  add('last', 30)
  await until(() => expired.includes('last'))

  expect(expired).toEqual(['first', 'last'])
})

test('after stop nothing expires until something is added', async () => {
  start()
  add('stopped', 10)
  deadlines.stop()
  const other = new Promise((resolve) => setTimeout(resolve, 40))
  await other
  expect(expired).toEqual([])

  add('added', 5)
  await until(() => expired.length === 2)
})
