import type { Logger } from '../options.ts'

/** Where tasks go, and how a pool on the way is named and logs. */
export interface Place {
  readonly url: string
  readonly queue: string
  readonly name: string
  readonly logger: Logger
}

/** A way of sending tasks, until it is closed. */
export interface OpenWay {
  /** Resolves once it is connected; absent where it is from the start. */
  ready?(): Promise<unknown>
  /** Sends the task of this number. Resolves with its id when the call has ended. */
  send(index: number): Promise<string>
  /** Channels opened so far; absent where a pool's log says it. */
  channelsOpened?(): number
  /** Connections opened so far; absent where nobody asks. */
  connectionsOpened?(): number
  close(): Promise<unknown>
}
