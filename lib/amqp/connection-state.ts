/**
 * `idle`: not started; `refused`: the broker said no in a way that trying again does not change, so
 * nothing is tried until somebody asks.
 */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'blocked' | 'refused' | 'closing' | 'closed'

const NEXT: Record<ConnectionState, readonly ConnectionState[]> = {
  idle: ['connecting', 'closing'],
  connecting: ['open', 'connecting', 'refused', 'closing'],
  open: ['blocked', 'connecting', 'closing'],
  blocked: ['open', 'connecting', 'closing'],
  refused: ['connecting', 'closing'],
  closing: ['closed'],
  closed: [],
}

/** @throws {Error} where a connection cannot go from one state to the other: a mistake of ours. */
export function checkMove(from: ConnectionState, to: ConnectionState): void {
  if (!NEXT[from].includes(to)) throw new Error(`a connection cannot go from ${from} to ${to}`)
}
