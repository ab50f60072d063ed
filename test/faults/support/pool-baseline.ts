import type { Socket } from 'node:net'
import type { ProducerPool } from '../../../lib/pool/producer-pool.ts'
import { addressOf } from '../../../lib/testing/amqp-greeting.ts'

/** What a pool holds while it has nothing to do. */
export interface Baseline {
  readonly connections: number
  readonly channels: number
  readonly leased: number
  readonly waiting: number
  readonly inFlight: number
  readonly bufferedBytes: number
  /** Open sockets to its brokers. */
  readonly sockets: number
  readonly socketListeners: number
  /** Running timers of the whole process, but for those that would not keep it alive. */
  readonly timers: number
}

/** What the pool holds now. */
export function baselineOf(pool: ProducerPool): Baseline {
  const ports = new Set(pool.options.broker.map((url) => addressOf(url).port))
  const sockets = openSockets().filter(({ remotePort }) => remotePort !== undefined && ports.has(remotePort))
  const { connections, channels, leased, waiting, inFlight, bufferedBytes } = pool.stats()
  return {
    ...{ connections, channels, leased, waiting, inFlight, bufferedBytes },
    sockets: sockets.length,
    socketListeners: sockets.reduce((sum, socket) => sum + listenersOf(socket), 0),
    timers: process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
  }
}

/** Whether the pool holds nothing that it did not hold before. */
export function isRestored(before: Baseline, now: Baseline): boolean {
  const { timers, ...pool } = now
  // Whatever else the process waited for may have ended in between.
  return (
    timers <= before.timers && Object.entries(pool).every(([name, value]) => before[name as keyof Baseline] === value)
  )
}

function openSockets(): Socket[] {
  // Node's public list tells the kinds of open handles only, and not where a socket leads to.
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): unknown[] }
  return handles.call(process).filter((handle) => (handle as Socket).remotePort !== undefined) as Socket[]
}

function listenersOf(socket: Socket): number {
  return socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0)
}
