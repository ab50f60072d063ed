import type { Task } from '../../lib/celery/task.ts'
import {
  type Celery,
  createCelery,
  createProducerPool,
  type PooledProducerError,
  type ProducerPool,
} from '../../lib/index.ts'
import { until } from '../support/condition.ts'
import { LoopWatch } from '../support/loop-watch.ts'
import { fateOf } from '../support/proof-counts.ts'
import { JournalWriter } from './journal.ts'
import type { ChaosQueue, PublisherFigures, PublisherSettings } from './protocol.ts'
import { Recovery } from './recovery.ts'

const TICK_MS = 10
/** A queue that refuses is left alone for a while: its home node is down. */
const PAUSE_MS = 300
const READY_LIMIT_MS = 60_000
/** Every publish must have its outcome by then, and the pool must have closed what it opened too much. */
const PUBLISH_LIMIT_MS = 30_000
const REST_LIMIT_MS = PUBLISH_LIMIT_MS + 10_000
const CLOSE_LIMIT_MS = 10_000
const MIN_CHANNELS = 2

/** One queue, and what is on its way there. */
interface Lane {
  readonly queue: ChaosQueue
  readonly task: Task
  open: number
  sent: number
  pausedUntil: number
}

/** Sends numbered tasks to every queue at an even rate, and writes down what becomes of each. */
export class Publisher {
  readonly #settings: PublisherSettings
  readonly #pool: ProducerPool
  readonly #lanes: readonly Lane[]
  readonly #journal: JournalWriter
  #loop: LoopWatch | undefined
  /** Ids of tasks that the closing of the pool has ended, by outcome. */
  readonly #ended: Record<'unknown' | 'not-sent', string[]> = { unknown: [], 'not-sent': [] }
  #recovery: Recovery | undefined
  #next: number
  #timer: NodeJS.Timeout | undefined
  #startedAt = 0
  #restedMs = 0
  #restingSince = 0
  #confirmed = 0
  #lastConfirmAt = 0
  #maxConfirmGapMs = 0
  /** Until the pool is complete nothing is too much. */
  #baseline = { timers: Number.POSITIVE_INFINITY, listeners: Number.POSITIVE_INFINITY }

  constructor(settings: PublisherSettings) {
    this.#settings = settings
    const { broker, connections, publisher, folder, first, queues } = settings
    this.#pool = createProducerPool({
      broker,
      name: `chaos-${publisher}`,
      connections,
      minChannels: MIN_CHANNELS,
      maxChannels: 4,
      idleTimeoutMs: 1_000,
      // So short that a black hole is noticed within the two seconds in which publishing is to go on.
      connectTimeoutMs: 1_000,
      confirmTimeoutMs: 2_000,
      publishTimeoutMs: PUBLISH_LIMIT_MS,
    })
    const app: Celery = createCelery({ pool: this.#pool })
    this.#journal = new JournalWriter(folder, publisher)
    this.#next = first
    // Every other publisher has its classic queues declared again when they are gone.
    const declare = publisher % 2 === 0
    this.#lanes = queues.map((queue) => ({
      queue,
      task: app.createTask('chaos.count', { queue: queue.name, declare: declare && queue.kind === 'classic' }),
      open: 0,
      sent: 0,
      pausedUntil: 0,
    }))
  }

  async start(): Promise<void> {
    await this.#pool.ready({ timeoutMs: READY_LIMIT_MS })
    await until(() => this.#poolComplaints().length === 0, READY_LIMIT_MS)
    this.#baseline = resources()
    this.#loop = new LoopWatch()
    this.#startedAt = this.#lastConfirmAt = performance.now()
    this.#timer = setInterval(() => this.#send(), TICK_MS)
  }

  figures(): PublisherFigures {
    return {
      stats: this.#pool.stats(),
      maxConfirmGapMs: Math.round(this.#maxConfirmGapMs),
      eventLoopDelayP99: this.#loop?.p99 ?? 0,
      rssBytes: process.memoryUsage.rss(),
    }
  }

  /** Resolves once every queue has confirmed a task; with the time that took, in milliseconds. */
  resumed(): Promise<number> {
    this.#recovery = new Recovery(this.#lanes.map(({ queue }) => queue.name))
    return this.#recovery.complete
  }

  /** Resolves once nothing is open, with what is not as it was at the start. */
  async rest(): Promise<string[]> {
    this.#stop()
    this.#restingSince = performance.now()
    const complaints = () => [...this.#openComplaints(), ...this.#poolComplaints()]
    await until(() => complaints().length === 0, REST_LIMIT_MS).catch(() => {})
    return complaints()
  }

  go(): void {
    const now = performance.now()
    this.#restedMs += now - this.#restingSince
    this.#lastConfirmAt = now
    this.#timer ??= setInterval(() => this.#send(), TICK_MS)
  }

  /** Closes the pool as a server does on SIGTERM; gives what its report has wrong. */
  async close(): Promise<string[]> {
    this.#stop()
    const confirmedBefore = this.#confirmed
    const { confirmed, unknown, notSent } = await this.#pool.close({ timeoutMs: CLOSE_LIMIT_MS })
    // What was settled just before has its callbacks still to come.
    await new Promise((resolve) => setImmediate(resolve))
    this.#journal.close()
    const told = { confirmed, unknown: unknown.length, notSent: notSent.length }
    const counted = {
      confirmed: this.#confirmed - confirmedBefore,
      unknown: this.#ended.unknown.filter((id) => unknown.includes(id)).length,
      notSent: this.#ended['not-sent'].filter((id) => notSent.includes(id)).length,
    }
    const isRight = JSON.stringify(told) === JSON.stringify(counted)
    return [
      ...this.#openComplaints(),
      ...(isRight ? [] : [`close reported ${JSON.stringify(told)}, and it was ${JSON.stringify(counted)}`]),
    ]
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #send(): void {
    const now = performance.now()
    const { rate, window, publisher } = this.#settings
    const due = ((now - this.#startedAt - this.#restedMs) / 1_000) * (rate / this.#lanes.length)
    const counts = this.#lanes.map(({ sent, open, pausedUntil }) => {
      return now < pausedUntil ? 0 : Math.max(0, Math.min(Math.floor(due) - sent, window - open))
    })
    const first = this.#next
    this.#next += counts.reduce((sum, count) => sum + count, 0)
    if (this.#next === first) return
    this.#journal.attempt(this.#next)
    let number = first
    this.#lanes.forEach((lane, index) => {
      for (let left = counts[index] as number; left > 0; left--) this.#sendOne(lane, publisher, number++)
    })
  }

  #sendOne(lane: Lane, publisher: number, number: number): void {
    lane.open++
    lane.sent++
    lane.task.delay(publisher, number).then(
      () => this.#confirm(lane, number),
      (error) => this.#fail(lane, number, error),
    )
  }

  #confirm(lane: Lane, number: number): void {
    lane.open--
    this.#confirmed++
    this.#journal.settle(number, 'confirmed')
    const now = performance.now()
    const gapMs = now - this.#lastConfirmAt
    if (gapMs > this.#maxConfirmGapMs) this.#maxConfirmGapMs = gapMs
    this.#lastConfirmAt = now
    this.#recovery?.confirmed(lane.queue.name, now)
  }

  #fail(lane: Lane, number: number, error: PooledProducerError): void {
    lane.open--
    lane.pausedUntil = performance.now() + PAUSE_MS
    this.#journal.settle(number, fateOf(error))
    const { code, outcome, taskId } = error
    if (code === 'ERR_POOL_CLOSED' && taskId !== undefined && (outcome === 'unknown' || outcome === 'not-sent')) {
      this.#ended[outcome].push(taskId)
    }
  }

  #openComplaints(): string[] {
    return this.#lanes
      .filter(({ open }) => open !== 0)
      .map(
        ({ queue, open }) => `publisher ${this.#settings.publisher}: ${open} tasks for ${queue.name} have no outcome`,
      )
  }

  /** What the pool holds that it should not hold at rest. */
  #poolComplaints(): string[] {
    const { state, connections, channels, leased, waiting, inFlight, bufferedBytes } = this.#pool.stats()
    const { timers, listeners, sockets } = resources()
    const found = { state, connections, channels, leased, waiting, inFlight, bufferedBytes, sockets }
    const expected: typeof found = {
      state: 'open',
      connections: this.#settings.connections,
      channels: MIN_CHANNELS,
      leased: 0,
      waiting: 0,
      inFlight: 0,
      bufferedBytes: 0,
      sockets: this.#settings.connections,
    }
    const hasMore = timers > this.#baseline.timers || listeners > this.#baseline.listeners
    if (!hasMore && JSON.stringify(found) === JSON.stringify(expected)) return []
    const now = JSON.stringify({ ...found, timers, listeners })
    return [`publisher ${this.#settings.publisher} at rest: ${now}, at first ${JSON.stringify(this.#baseline)}`]
  }
}

/** What keeps a process alive, as far as Node shows it. */
function resources(): { timers: number; listeners: number; sockets: number } {
  const active = process.getActiveResourcesInfo()
  const count = (kind: string) => active.filter((name) => name === kind).length
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  return { timers: count('Timeout'), listeners, sockets: count('TCPSocketWrap') }
}
