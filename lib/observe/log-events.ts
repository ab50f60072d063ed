/** Every event that a pool logs, with its level. The names are public: people search for them. */
export const EVENTS = {
  /** connection, broker (no secret), openMs, attempts */
  'connection.open': 'info',
  /** connection, broker, lifetimeMs, reason */
  'connection.close': 'info',
  /** connection, attempt, delayMs, error */
  'connection.retry': 'warn',
  /** connection, reason */
  'connection.blocked': 'warn',
  /** connection, blockedMs */
  'connection.unblocked': 'warn',
  /** channel, connection, openMs */
  'channel.open': 'info',
  /** channel, connection, publishes, leases, lifetimeMs, reason */
  'channel.close': 'info',
  /** channel, lease, reused, waitMs */
  'channel.acquire': 'debug',
  /** channel, lease, heldMs, publishes */
  'channel.release': 'debug',
  /** channel, lease, heldMs, stack */
  'lease.held': 'warn',
  /** channel, taskId, task, routingKey, bytes, confirmMs, attempts */
  'publish.confirm': 'debug',
  /** taskId, task, code, attempt, outcome; or code, outcome and `more`, the number of messages, when a fault hit many */
  'publish.retry': 'warn',
  /** taskId, task, code, attempt, outcome, error */
  'publish.fail': 'error',
  /**
   * Totals since the pool was made: publishes, confirms, failures, retries, returns, leases, channelsOpened,
   * channelsClosed, publishesPerChannel, reuseRatio, waitMs and confirmMs {p50, p99, max}, maxLeased; and
   * the present: leased, idle, waiting, inFlight, maxChannels
   */
  'pool.summary': 'info',
  /** reason, and connection or error where there is one */
  'pool.warning': 'warn',
} as const

/** The `event` of a record. */
export type EventName = keyof typeof EVENTS
