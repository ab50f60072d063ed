import { pino } from 'pino'
import { EVENTS, EventLog, type EventName } from '../../lib/observe/log.ts'
import type { Logger } from '../../lib/options.ts'

/** A process as its log shows it. */
export interface LoggedProcess {
  readonly pool?: string
  readonly pid?: number
  readonly hostname?: string
}

/** 2026-11-22T10:00:00.000Z, when every written log begins. */
export const START_MS = 1_795_341_600_000

/** Lines as pino writes them for a pool, at times that the test sets. */
export class WrittenLog {
  readonly lines: string[] = []
  #timeMs = START_MS

  /** The time of the lines that follow, in milliseconds since the start. */
  at(ms: number): this {
    this.#timeMs = START_MS + ms
    return this
  }

  write(event: EventName, fields: Record<string, unknown> = {}, process: LoggedProcess = {}): this {
    const { pool = 'default', pid = 12, hostname = 'api-1' } = process
    const timestamp = () => `,"time":${this.#timeMs}`
    const logger = pino(
      { level: 'debug', base: { pid, hostname }, timestamp },
      { write: (line: string) => void this.lines.push(line.trimEnd()) },
    )
    new EventLog(logger as Logger, pool).write(event, fields)
    return this
  }

  /** The lines that a logger at level info would have written. */
  get infoLines(): string[] {
    return this.lines.filter((line) => {
      const { event } = JSON.parse(line) as { event: EventName }
      return EVENTS[event] !== 'debug'
    })
  }
}

/**
 * A pool that opened 3 channels for 1,000 publishes in 10 minutes, logged at level debug; one channel is open at the
 * end. Latencies are all alike, 0.5 ms of wait and 4 ms to the confirm, so that no percentile is between two.
 */
export function tenMinutes(process: LoggedProcess = {}): WrittenLog {
  const log = new WrittenLog()
  const write = (event: EventName, fields: Record<string, unknown>) => log.write(event, fields, process)
  write('connection.open', { connection: 1, broker: 'amqp://guest:***@rabbit-1/', openMs: 12, attempts: 1 })
  for (const channel of [1, 2]) write('channel.open', { channel, connection: 1, openMs: 2 })
  for (let lease = 1; lease <= 20; lease += 1) {
    log.at(lease * 10_000)
    const channel = 1 + (lease % 2)
    write('channel.acquire', { channel, lease, reused: lease > 2, waitMs: 0.5 })
    write('channel.release', { channel, lease, heldMs: 1, publishes: 30 })
    write('publish.confirm', { channel, taskId: `t${lease}`, task: 'tasks.add', confirmMs: 4, attempts: 1 })
  }
  log.at(300_000)
  write('pool.summary', { ...SUMMARY, publishes: 600, confirms: 600, leases: 20, channelsOpened: 2 })
  log.at(310_000)
  write('connection.close', { connection: 1, lifetimeMs: 310_000, reason: 'lost' })
  write('channel.close', { channel: 1, connection: 1, publishes: 300, leases: 10, lifetimeMs: 310_000, reason: 'lost' })
  write('publish.retry', { taskId: 't21', task: 'tasks.add', code: 'ERR_CHANNEL_CLOSED', attempt: 1 })
  write('connection.retry', { connection: 1, attempt: 1, delayMs: 100, error: new Error('connect ECONNREFUSED') })
  write('connection.open', { connection: 1, broker: 'amqp://guest:***@rabbit-1/', openMs: 12, attempts: 2 })
  write('channel.open', { channel: 3, connection: 1, openMs: 2 })
  write('connection.blocked', { connection: 1, reason: 'low on memory' })
  log.at(320_000)
  write('connection.unblocked', { connection: 1, blockedMs: 10_000 })
  write('publish.fail', { taskId: 't22', task: 'tasks.add', code: 'ERR_UNROUTABLE', attempt: 1, outcome: 'refused' })
  write('lease.held', { channel: 3, lease: 21, heldMs: 30_000, stack: 'Error: taken' })
  write('pool.warning', { reason: 'the fast path is off' })
  log.at(330_000)
  write('channel.close', { channel: 2, connection: 1, publishes: 310, leases: 11, lifetimeMs: 330_000, reason: 'idle' })
  log.at(600_000)
  write('pool.summary', SUMMARY)
  return log
}

const SUMMARY = {
  publishes: 1_000,
  confirms: 998,
  failures: 1,
  retries: 1,
  returns: 1,
  leases: 31,
  channelsOpened: 3,
  channelsClosed: 2,
  publishesPerChannel: 333.3,
  reuseRatio: 0.997,
  waitMs: { p50: 0.5, p99: 0.5, max: 0.5 },
  confirmMs: { p50: 4, p99: 4, max: 4 },
  leased: 0,
  idle: 1,
  waiting: 0,
  inFlight: 0,
  maxLeased: 2,
  maxChannels: 8,
}
