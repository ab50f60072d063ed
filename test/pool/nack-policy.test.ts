import { beforeEach, expect, jest, test } from '@jest/globals'
import type { PooledChannel } from '../../lib/pool/channel-factory.ts'
import { NackPolicy } from '../../lib/pool/nack-policy.ts'
import { PendingPublish } from '../../lib/pool/pending-publish.ts'
import { prepare } from '../../lib/pool/prepared-message.ts'

let now = 0

/** A message for a route, which nobody has nacked yet. */
function publishTo(routingKey: string, exchange = ''): PendingPublish {
  return new PendingPublish(prepare({ exchange, routingKey, body: '' }, undefined).template, [], '', undefined)
}

/** A channel that has just been opened, and why it was retired. */
function freshChannel(): { channel: PooledChannel; reasons: string[] } {
  now += 1
  const reasons: string[] = []
  return { channel: { openedAt: now, retire: (reason: string) => reasons.push(reason) } as never, reasons }
}

/** What the policy says of a message that a new channel nacks each time. */
function judged(policy: NackPolicy, publish: PendingPublish, times: number): (number | undefined)[] {
  return Array.from({ length: times }, () => policy.judge(publish, freshChannel().channel))
}

beforeEach(() => {
  now = 1_000
  jest.spyOn(performance, 'now').mockImplementation(() => now)
})

test('a nacked message is tried again at once, after 100 ms and after 400 ms, and then it is refused', () => {
  expect(judged(new NackPolicy(), publishTo('q'), 4)).toEqual([0, 100, 400, undefined])
})

test('a channel that nacked is retired, but not over the nack that is the broker’s last word', () => {
  const policy = new NackPolicy()
  const publish = publishTo('q')
  const reasons = Array.from({ length: 4 }, () => {
    const { channel, reasons } = freshChannel()
    policy.judge(publish, channel)
    return reasons
  })

  const retired = ['it nacked a message']
  expect(reasons).toEqual([retired, retired, retired, []])
})

test('nacks on channels as old as the first nack are no last word, however many', () => {
  const policy = new NackPolicy()
  const publish = publishTo('q')
  const { channel } = freshChannel()
  const pauses = Array.from({ length: 5 }, () => policy.judge(publish, channel))

  expect(pauses).toEqual([0, 100, 400, 400, 400])
  expect(policy.judge(publish, freshChannel().channel)).toBeUndefined()
})

test('the next message of a route that refused is refused at its first nack, for five seconds', () => {
  const policy = new NackPolicy()
  judged(policy, publishTo('q', 'e'), 4)
  const refusedAt = now
  now = refusedAt + 4_999 - 1
  const { channel, reasons } = freshChannel()
  expect(policy.judge(publishTo('q', 'e'), channel)).toBeUndefined()
  expect(reasons).toEqual([])

  now = refusedAt + 5_000 - 1
  expect(judged(policy, publishTo('q', 'e'), 1)).toEqual([0])
})

test('a route that refused speaks for no other, of whatever exchange or key', () => {
  const policy = new NackPolicy()
  judged(policy, publishTo('q', 'e'), 4)

  for (const other of [publishTo('q'), publishTo('r', 'e'), publishTo('', 'eq'), publishTo('eq')]) {
    expect(judged(policy, other, 1)).toEqual([0])
  }
})

test('a thousand routes are known to refuse at most; one more, and they are found out anew', () => {
  const policy = new NackPolicy()
  for (let route = 0; route < 1_000; route++) judged(policy, publishTo(`q${route}`), 4)
  expect(judged(policy, publishTo('q0'), 1)).toEqual([undefined])
  judged(policy, publishTo('one more'), 4)

  expect(judged(policy, publishTo('q0'), 1)).toEqual([0])
  expect(judged(policy, publishTo('one more'), 1)).toEqual([undefined])
})
