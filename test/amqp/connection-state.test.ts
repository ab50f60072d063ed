import { expect, test } from '@jest/globals'
import { type ConnectionState, checkMove } from '../../lib/amqp/connection-state.ts'

const STATES: readonly ConnectionState[] = ['idle', 'connecting', 'open', 'blocked', 'refused', 'closing', 'closed']

/** The states that a connection may go to. */
function movesFrom(from: ConnectionState): ConnectionState[] {
  return STATES.filter((to) => {
    try {
      checkMove(from, to)
      return true
    } catch {
      return false
    }
  })
}

test.each<[ConnectionState, readonly ConnectionState[]]>([
  ['idle', ['connecting', 'closing']],
  ['connecting', ['connecting', 'open', 'refused', 'closing']],
  ['open', ['connecting', 'blocked', 'closing']],
  ['blocked', ['connecting', 'open', 'closing']],
  ['refused', ['connecting', 'closing']],
  ['closing', ['closed']],
  ['closed', []],
])('from %s a connection goes to %j and nowhere else', (from, to) => {
  expect(movesFrom(from)).toEqual(to)
})

test('a move that cannot be names both states', () => {
  expect(() => checkMove('closed', 'open')).toThrow('a connection cannot go from closed to open')
})
