import { expect, test } from '@jest/globals'
import { EventHub } from '../../lib/observe/event-hub.ts'
import { EventLog } from '../../lib/observe/log.ts'
import { POOL_EVENTS, type PoolEvents } from '../../lib/pool/pool-events.ts'

/** Every event that a pool tells: the types allow none less, and none more. */
const TOLD: Record<keyof PoolEvents, true> = {
  connect: true,
  disconnect: true,
  blocked: true,
  unblocked: true,
  refused: true,
  summary: true,
  close: true,
}

test('every event that a pool tells can be listened for, and the error of another name tells them all', () => {
  const events = new EventHub<PoolEvents>(new EventLog(false, 'shop'), 'a pool', POOL_EVENTS)
  const names = Object.keys(TOLD) as (keyof PoolEvents)[]

  for (const name of names) expect(() => events.on(name, () => {})).not.toThrow()
  expect(() => events.on('closed' as 'close', () => {})).toThrow(
    `"closed" is not an event of a pool; known are ${names.join(', ')}`,
  )
})
