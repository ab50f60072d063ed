import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from '@jest/globals'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'
import { PublishQueue } from '../../lib/pool/publish-queue.ts'
import { sequence } from '../support/random.ts'

const { template } = prepare({ routingKey: 'q', body: '' }, undefined)

function publishes(count: number): PendingPublish[] {
  return Array.from({ length: count }, (_, index) => new PendingPublish(template, [], `${index}`, undefined))
}

function settle(publish: PendingPublish | undefined): void {
  if (publish === undefined) throw new Error('there is no such publish')
  publish.isSettled = true
  publish.place?.noteSettled()
  publish.place = undefined
}

function bodies(items: readonly PendingPublish[]): unknown[] {
  return items.map(({ body }) => body)
}

function newQueue(): { queue: PublishQueue; count: { waiting: number } } {
  const count = { waiting: 0 }
  return { queue: new PublishQueue(count), count }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** How many are still held by anything. */
async function held(items: readonly WeakRef<PendingPublish>[]): Promise<number> {
  // What was looked at stays until the turn of the event loop is over.
  await delay(0)
  collectGarbage()
  return items.filter((item) => item.deref() !== undefined).length
}

/** Puts that many into the queue, and keeps none of them. */
function pushed(queue: PublishQueue, count: number): WeakRef<PendingPublish>[] {
  return publishes(count).map((publish) => {
    queue.push(publish)
    return new WeakRef(publish)
  })
}

function settleAll(items: readonly WeakRef<PendingPublish>[]): void {
  for (const item of items) settle(item.deref())
}

test('what came first leaves first', () => {
  const { queue } = newQueue()
  for (const publish of publishes(3)) queue.push(publish)

  expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()].map((publish) => publish?.body)).toEqual([
    '0',
    '1',
    '2',
    undefined,
  ])
})

test('what is put back goes before the others, in its own order', () => {
  const { queue } = newQueue()
  const [a, b, c, d] = publishes(4) as [PendingPublish, PendingPublish, PendingPublish, PendingPublish]
  queue.push(a)
  queue.push(b)
  queue.shift()
  queue.pushFront([c, d])

  expect(bodies(queue.takeAll())).toEqual(['2', '3', '1'])
})

test('fifty thousand put back one by one before a long line leave in the order of the line that they make', () => {
  const { queue, count } = newQueue()
  const [waiting, back] = [publishes(50_000), publishes(50_000)]
  for (const publish of waiting) queue.push(publish)
  for (const publish of back) queue.pushFront([publish])
  expect([queue.length, count.waiting]).toEqual([100_000, 100_000])

  const expected = [...back.reverse(), ...waiting]
  expect(queue.takeAll().every((publish, index) => publish === expected[index])).toBe(true)
  expect([queue.length, count.waiting]).toEqual([0, 0])
})

test('what is put back stays before a long line of which most is settled where it stands', () => {
  const { queue } = newQueue()
  const [waiting, back] = [publishes(3_000), publishes(2)]
  for (const publish of waiting) queue.push(publish)
  queue.pushFront(back)
  for (const publish of waiting.slice(0, 2_500)) settle(publish)

  expect(queue.takeAll()).toEqual([...back, ...waiting.slice(2_500)])
})

test('what was settled where it stood is passed over, and counts no more', () => {
  const { queue, count } = newQueue()
  const items = publishes(5)
  for (const publish of items) queue.push(publish)
  settle(items[0])
  settle(items[2])
  settle(items[4])
  expect(queue.length).toBe(2)
  expect(count.waiting).toBe(2)

  expect(bodies(queue.takeAll())).toEqual(['1', '3'])
  expect(queue.length).toBe(0)
  expect(count.waiting).toBe(0)
})

test('queues of one pool count together, and a publish that moves counts once', () => {
  const count = { waiting: 0 }
  const [one, other] = [new PublishQueue(count), new PublishQueue(count)]
  for (const publish of publishes(3)) one.push(publish)
  other.pushFront(one.takeAll())

  expect(count.waiting).toBe(3)
  expect([one.length, other.length]).toEqual([0, 3])
})

test('the order holds and the count is right, whatever comes, goes and is settled between', () => {
  const { queue, count } = newQueue()
  let expected: PendingPublish[] = []
  let next = 0
  const random = sequence(0)
  const fresh = (size: number) => publishes(size).map((publish) => Object.assign(publish, { body: `${next++}` }))

  for (let step = 0; step < 3_000; step++) {
    const choice = random(10)
    if (choice < 4) {
      for (const publish of fresh(random(20))) {
        queue.push(publish)
        expected.push(publish)
      }
    } else if (choice < 5) {
      const front = fresh(random(20))
      queue.pushFront(front)
      expected = [...front, ...expected]
    } else if (choice < 8) {
      for (let times = random(15); times > 0; times--) {
        if (queue.shift() !== expected.shift()) throw new Error(`another publish was expected at step ${step}`)
      }
    } else {
      // Thousands at once, now and then, so that the settled ones are cleared out.
      const settled = step % 500 === 0 ? fresh(3_000) : expected.filter(() => random(4) === 0)
      if (step % 500 === 0) for (const publish of settled) queue.push(publish)
      for (const publish of settled) settle(publish)
      expected = expected.filter(({ isSettled }) => !isSettled)
    }
    if (queue.length !== expected.length || count.waiting !== expected.length) {
      throw new Error(`${queue.length} wait and ${count.waiting} are counted, not ${expected.length}, at step ${step}`)
    }
  }
  expect(queue.takeAll()).toEqual(expected)
})

test('what has left the queue is held no longer', async () => {
  const { queue } = newQueue()
  const items = pushed(queue, 10)
  for (let count = 0; count < 6; count++) queue.shift()

  expect(await held(items)).toBe(4)
  expect(queue.length).toBe(4)
})

test('of publishes that are settled where they stand, few are held', async () => {
  const { queue } = newQueue()
  const waiting = pushed(queue, 10)
  const settled = pushed(queue, 3_000)
  settleAll(settled)

  expect(await held(settled)).toBeLessThanOrEqual(1_024)
  expect(await held(waiting)).toBe(10)
  expect(queue.length).toBe(10)
})

test('a queue that never empties does not grow, however many go through it', () => {
  const { queue, count } = newQueue()
  const [publish, other] = publishes(2) as [PendingPublish, PendingPublish]
  const heapBytes = (): number => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  queue.push(publish)
  const before = heapBytes()
  for (let times = 0; times < 1_000_000; times++) {
    queue.push(times % 2 === 0 ? other : publish)
    queue.shift()
  }

  expect(heapBytes() - before).toBeLessThan(4 * 2 ** 20)
  expect([queue.length, count.waiting]).toEqual([1, 1])
})
