import type { PoolStats } from '../../lib/pool/stats.ts'

/** A queue that tasks go to. */
export interface ChaosQueue {
  readonly name: string
  readonly kind: 'classic' | 'quorum'
}

/** How a publisher is to be run; handed over in its environment. */
export interface PublisherSettings {
  readonly publisher: number
  /** The nodes, some of them behind a proxy. */
  readonly broker: readonly string[]
  readonly connections: number
  readonly queues: readonly ChaosQueue[]
  /** Tasks per second, over all queues; what an outage kept back is made up for. */
  readonly rate: number
  /** Tasks without an outcome, per queue, at most. */
  readonly window: number
  /** The number of its first task. */
  readonly first: number
  /** Where its journal is. */
  readonly folder: string
}

/** What a publisher is told. */
export type Order =
  /** Report when each queue has confirmed a task after now. */
  | { readonly type: 'mark'; readonly mark: number }
  /** Send no more, and report once every task has its outcome and the pool is as it was at first. */
  | { readonly type: 'rest' }
  | { readonly type: 'go' }

/** What a publisher says. */
export type Report =
  | { readonly type: 'ready' }
  | ({ readonly type: 'status' } & PublisherFigures)
  | { readonly type: 'resumed'; readonly mark: number; readonly afterMs: number }
  | { readonly type: 'rested'; readonly complaints: readonly string[] }
  /** After a SIGTERM; `complaints` says what the report of the pool's close has wrong. */
  | ({ readonly type: 'closed'; readonly complaints: readonly string[] } & PublisherFigures)

/** Figures of one life of a publisher. */
export interface PublisherFigures {
  readonly stats: PoolStats
  readonly maxConfirmGapMs: number
  readonly eventLoopDelayP99: number
  readonly rssBytes: number
}
