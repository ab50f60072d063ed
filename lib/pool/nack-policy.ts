import type { PooledChannel } from './channel-factory.ts'
import type { PendingPublish } from './pending-publish.ts'

/** The pauses before a nacked message is sent again, in milliseconds. */
const PAUSES_MS = [0, 100, 400]
/** How long a route that nacked on fresh channels too is taken to refuse messages by its own policy. */
const POLICY_LASTS_MS = 5_000
const MOST_ROUTES = 1_000

/**
 * Tells a channel that nacks because it is poisoned from a queue that nacks because it is full. A channel
 * whose quorum queue has lost its leader nacks for ever, and a fresh one does not (rabbitmq-server #9241):
 * so a nacked message is tried on channels opened since, and only a nack there is the broker's last word.
 */
export class NackPolicy {
  /** Until when each route is known to refuse. */
  readonly #refusing = new Map<string, number>()

  /** How long to wait before the message is sent again, in milliseconds; undefined: it is refused. */
  judge(publish: PendingPublish, channel: PooledChannel): number | undefined {
    const { exchange, routingKey } = publish.template.fields
    const route = `${exchange}\n${routingKey}`
    const now = performance.now()
    if ((this.#refusing.get(route) ?? 0) > now) return undefined
    publish.nacked ??= { count: 0, firstAt: now }
    const { nacked } = publish
    const isFresh = channel.openedAt > nacked.firstAt
    if (isFresh && nacked.count >= PAUSES_MS.length) {
      if (this.#refusing.size >= MOST_ROUTES) this.#refusing.clear()
      this.#refusing.set(route, now + POLICY_LASTS_MS)
      return undefined
    }
    channel.retire('it nacked a message')
    const pauseMs = PAUSES_MS[Math.min(nacked.count, PAUSES_MS.length - 1)]
    nacked.count++
    return pauseMs
  }
}
