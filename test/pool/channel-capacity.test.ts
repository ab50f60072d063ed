import { expect, test } from '@jest/globals'
import { ChannelCapacity } from '../../lib/pool/channel-capacity.ts'

function capacityOf(maxChannels: number): { capacity: ChannelCapacity; warnings: string[] } {
  const warnings: string[] = []
  return { capacity: new ChannelCapacity(maxChannels, (reason) => warnings.push(reason)), warnings }
}

/** As amqplib gives RabbitMQ's answer. */
function tooMany(limit = ''): Error {
  const text = `Connection closed: 530 (NOT-ALLOWED) with message "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum allowed user limit${limit}"`
  return Object.assign(new Error(text), { code: 530 })
}

test('the limit that the broker names is kept to, and one channel fewer when others share it', () => {
  const { capacity, warnings } = capacityOf(8)
  capacity.refused(tooMany(' of (3)'), 3)
  expect(capacity.most).toBe(3)
  capacity.refused(tooMany(' of (3)'), 1)
  expect(capacity.most).toBe(2)

  expect(warnings).toEqual([
    expect.stringMatching(/the pool keeps to 3 instead of 8 .*limit of \(3\)/),
    expect.stringMatching(/the pool keeps to 2 instead of 3/),
  ])
})

test('a limit of several digits is read to its end', () => {
  const { capacity } = capacityOf(200)
  capacity.refused(tooMany(' of (128)'), 130)

  expect(capacity.most).toBe(128)
})

test('where the broker names none, what was open before is kept to, and one channel always', () => {
  const { capacity } = capacityOf(8)
  capacity.refused(tooMany(), 5)
  expect(capacity.most).toBe(5)
  capacity.refused(tooMany(), 0)
  capacity.refused(tooMany(' of (0)'), 0)
  expect(capacity.most).toBe(1)
})

test('one loss of a connection counts once, however many channels were being opened', () => {
  const { capacity, warnings } = capacityOf(8)
  const error = tooMany(' of (4)')
  for (let channel = 0; channel < 4; channel++) capacity.refused(error, 4)
  // Why the connection was lost may not be known.
  capacity.refused(undefined, 4)

  expect(capacity.most).toBe(4)
  expect(warnings).toHaveLength(1)
})

test('anything else that keeps a channel from opening takes nothing off', () => {
  const { capacity, warnings } = capacityOf(8)
  capacity.refused(undefined, 2)
  capacity.refused(new Error('the broker opened no channel in 5000 ms'), 2)
  capacity.refused(Object.assign(new Error("vhost 'v' is down"), { code: 530 }), 2)
  capacity.refused(Object.assign(tooMany(' of (1)'), { code: 541 }), 2)

  expect(capacity.most).toBe(8)
  expect(warnings).toEqual([])
})

test('channels agreed on that are too few for the pool are warned of once', () => {
  const { capacity, warnings } = capacityOf(8)
  capacity.agreed(4, 2)
  expect(warnings).toEqual([])
  capacity.agreed(3, 2)
  capacity.agreed(1, 1)

  expect(warnings).toEqual([
    'maxChannels is 8, but no more than 3 channels on each connection are agreed on with the broker (channel_max), and connections is 2: the pool keeps to 6',
  ])
})

test('a single channel is warned of in the singular', () => {
  const { capacity, warnings } = capacityOf(8)
  capacity.agreed(1, 2)

  expect(warnings).toEqual([expect.stringContaining('no more than 1 channel on each connection are agreed on')])
})
