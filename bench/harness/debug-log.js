import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const START_MS = Date.UTC(2026, 10, 22, 10)
/** Lines that are handed over at once. */
const CHUNK = 1_000
const PUBLISHES_PER_CHANNEL = 10_000
const CHANNELS = 4

/**
 * Writes a log of so many lines as a pool writes it at level debug, three to a publish, with channels that are opened and
 * closed. Lines of others, which a report passes over unparsed, would only make it faster.
 */
export async function writeDebugLog(path, count) {
  await pipeline(Readable.from(chunks(count)), createWriteStream(path))
}

function* chunks(count) {
  const lines = debugLines()
  for (let left = count; left > 0; left -= CHUNK) {
    const chunk = Array.from({ length: Math.min(CHUNK, left) }, () => lines.next().value)
    yield `${chunk.join('\n')}\n`
  }
}

function* debugLines() {
  for (let lease = 1; ; lease++) {
    const timeMs = START_MS + lease * 2
    const channel = 1 + (lease % CHANNELS) + CHANNELS * Math.floor(lease / (CHANNELS * PUBLISHES_PER_CHANNEL))
    // Of figures that clocks gave pino writes all the digits.
    const [waitMs, heldMs, confirmMs] = [lease % 7, lease % 11, lease % 97].map((part) => part / 3)
    const lasts = Math.floor(lease / CHANNELS) % PUBLISHES_PER_CHANNEL
    if (lasts === 0) yield line(30, timeMs, 'channel.open', { channel, connection: 1, openMs: waitMs })
    yield line(
      20,
      timeMs,
      'channel.acquire',
      { channel, lease, reused: lasts > 0, waitMs },
      'took a channel, kept open',
    )
    yield line(20, timeMs, 'channel.release', { channel, lease, heldMs, publishes: 1 }, 'gave back its channel')
    const taskId = `${lease}`.padStart(12, '0')
    const task = { taskId: `e6e463ab-4b58-4e0a-a7c9-${taskId}`, task: 'tasks.add', routingKey: 'celery', bytes: 71 }
    yield line(20, timeMs, 'publish.confirm', { channel, ...task, confirmMs, attempts: 1 }, 'tasks.add confirmed')
    if (lasts === PUBLISHES_PER_CHANNEL - 1) {
      const life = { publishes: PUBLISHES_PER_CHANNEL, leases: PUBLISHES_PER_CHANNEL, lifetimeMs: 80_000 }
      yield line(30, timeMs, 'channel.close', { channel, connection: 1, ...life, reason: 'age' })
    }
  }
}

function line(level, time, event, fields, msg = event) {
  return JSON.stringify({ level, time, pid: 12, hostname: 'api-1', pool: 'default', event, ...fields, msg })
}
