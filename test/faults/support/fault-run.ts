import { expect } from '@jest/globals'
import { connect, type Options } from 'amqplib'
import type { PooledProducerError } from '../../../lib/errors.ts'
import type { PoolOptions } from '../../../lib/options.ts'
import type { ProducerPool } from '../../../lib/pool/producer-pool.ts'
import { uniqueName } from '../../support/broker.ts'
import { afterTest } from '../../support/cleanup.ts'
import { until } from '../../support/condition.ts'
import { drain } from '../../support/drain.ts'
import { LoopWatch } from '../../support/loop-watch.ts'
import { makePool } from '../../support/pools.ts'
import { fateOf, type ProofCounts, ProofLedger } from '../../support/proof-counts.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { type Baseline, baselineOf, isRestored } from './pool-baseline.ts'

/** What `startFaultRun` takes. */
export interface FaultRunOptions {
  /** The pool that is tried. */
  readonly pool: PoolOptions
  /** Where the queue is read, around any proxy. */
  readonly url: string
  /** The node of a cluster where the queue is declared, and so lives. Default: that of `url`. */
  readonly home?: string
  /** Messages without an outcome at any time. Default: 256. */
  readonly window?: number
  /** How the queue is declared. Default: durable and classic. */
  readonly queue?: Options.AssertQueue
  readonly bodyBytes?: number
}

/** All that a run shows: printed as one line of JSON. */
export interface Proof extends ProofCounts {
  readonly maxConfirmGapMs: number
  /** From the broker's return to the first confirm. */
  readonly recoveryMs: number
  readonly channelsOpened: number
  readonly channelsClosedByFault: number
  readonly poolBaselineRestored: boolean
  readonly eventLoopDelayP99: number
  /** How long after its time limit the latest publish was settled; negative: all were settled before. */
  readonly maxOverdueMs: number
}

/** What a run may show at most. */
export interface Bounds {
  /** Faults that may each duplicate what was in flight. */
  readonly faults: number
  /** Default: 2,000, which is for faults of the network. */
  readonly recoveryMs?: number
}

const DEFAULT_WINDOW = 256
const PAUSE_AFTER_FAILURE_MS = 20
const SETTLE_LIMIT_MS = 60_000
const RESTORE_LIMIT_MS = 10_000
const MOST_OVERDUE_MS = 200
const LONGEST_LOOP_DELAY_MS = 20
const LOOP_WATCH_MS = 1_500
const WARM_AT = 2_000
/** Reasons to close a channel that are no fault. */
const PLANNED = /^(idle|maxChannelAgeMs|pool closed)$/

/**
 * Publishes without a pause, a window at a time, while a test makes a fault, and then counts what became of each
 * message.
 */
export class FaultRun {
  readonly pool: ProducerPool
  readonly log: RecordedLog
  readonly queue: string
  readonly window: number
  /** Why publishes failed, by code. */
  readonly failures: Record<string, number> = {}
  readonly #url: string
  readonly #body: Buffer
  readonly #baseline: Baseline
  readonly #ledger = new ProofLedger()
  /** Begins when the code is warm: compiling it holds the loop up too. */
  #loop: LoopWatch | undefined
  #attempts = 0
  #open = 0
  #confirmed = 0
  #isPublishing = true
  #lastConfirmAt = performance.now()
  #maxConfirmGapMs = 0
  #backAt: number | undefined
  #recoveryMs = 0
  #maxOverdueMs = Number.NEGATIVE_INFINITY

  /** @internal */
  constructor(pool: ProducerPool, log: RecordedLog, queue: string, options: FaultRunOptions) {
    const { url, window = DEFAULT_WINDOW, bodyBytes = 100 } = options
    this.pool = pool
    this.log = log
    this.queue = queue
    this.window = window
    this.#url = url
    this.#body = Buffer.alloc(bodyBytes, 'x')
    this.#baseline = baselineOf(pool)
    for (let n = 0; n < window; n++) this.#publish()
  }

  /** How many were confirmed so far. */
  get confirmed(): number {
    return this.#confirmed
  }

  /** Resolves once so many more are confirmed. */
  async confirmMore(count: number, timeoutMs = 30_000): Promise<void> {
    const enough = this.#confirmed + count
    await until(() => this.#confirmed >= enough, timeoutMs)
  }

  /** Resolves once enough is confirmed for the code to be warm: what comes now is the fault. */
  async warm(): Promise<void> {
    await this.confirmMore(WARM_AT)
    this.#loop ??= new LoopWatch()
  }

  /** Resolves once so many have failed. */
  async fail(count: number, timeoutMs = 30_000): Promise<void> {
    await until(() => Object.values(this.failures).reduce((sum, n) => sum + n, 0) >= count, timeoutMs)
  }

  /** From now on the broker can be reached: the time to the first confirm is the recovery. */
  brokerIsBack(): void {
    this.#backAt = performance.now()
  }

  /** Publishes no more. */
  stop(): void {
    this.#isPublishing = false
  }

  /** Publishes no more, waits for every outcome, and reads the queue until it is empty. */
  async end(): Promise<Proof> {
    this.stop()
    await until(() => this.#open === 0, SETTLE_LIMIT_MS).catch(ignore)
    const isBack = () => isRestored(this.#baseline, baselineOf(this.pool))
    const poolBaselineRestored = await until(isBack, RESTORE_LIMIT_MS).then(yes, no)
    const held = baselineOf(this.pool)
    this.#loop?.stop()
    await drain(this.#url, this.queue, ({ properties }) => this.#ledger.stored(Number(properties.messageId)))
    const proof: Proof = {
      ...this.#ledger.counts(),
      maxConfirmGapMs: Math.round(this.#maxConfirmGapMs),
      recoveryMs: Math.round(this.#recoveryMs),
      channelsOpened: this.pool.stats().channelsOpened,
      channelsClosedByFault: this.log.of('channel.close').filter(({ reason }) => !PLANNED.test(`${reason}`)).length,
      poolBaselineRestored,
      eventLoopDelayP99: this.#loop?.p99 ?? 0,
      maxOverdueMs: Math.round(this.#maxOverdueMs),
    }
    process.stdout.write(`${JSON.stringify({ test: expect.getState().currentTestName, ...proof })}\n`)
    if (!poolBaselineRestored) {
      process.stdout.write(`${JSON.stringify({ before: this.#baseline, now: held })}\n`)
    }
    return proof
  }

  /** Ends the run, and expects of it what must hold after any fault. */
  async endWithin({ faults, recoveryMs = 2_000 }: Bounds): Promise<Proof> {
    const proof = await this.end()
    expect(proof).toMatchObject({ lost: 0, unexpected: 0, unsettled: 0, poolBaselineRestored: true })
    expect(proof.duplicated).toBeLessThanOrEqual(this.window * faults)
    expect(proof.recoveryMs).toBeLessThan(recoveryMs)
    const { watchedMs, longestGapMs } = this.#loop ?? { watchedMs: 0, longestGapMs: 0 }
    // In a shorter time there are too few ticks for 99 of 100 to mean anything.
    if (watchedMs > LOOP_WATCH_MS) expect(proof.eventLoopDelayP99).toBeLessThan(LONGEST_LOOP_DELAY_MS)
    // Where another process held the processor no timer could run, and such a hold-up is excused three times more.
    expect(proof.maxOverdueMs).toBeLessThan(MOST_OVERDUE_MS + longestGapMs * 4)
    return proof
  }

  #publish(): void {
    const id = this.#attempts++
    const startedAt = performance.now()
    this.#ledger.attempted(id)
    this.#open++
    const properties = { messageId: `${id}`, deliveryMode: 2 }
    this.pool.publish({ routingKey: this.queue, body: this.#body, properties, mandatory: true }).then(
      () => {
        this.#settled(startedAt)
        this.#ledger.settled(id, 'confirmed')
        this.#noteConfirm()
        this.#next()
      },
      (error: PooledProducerError) => {
        this.#settled(startedAt)
        this.#ledger.settled(id, fateOf(error))
        this.failures[error.code] = (this.failures[error.code] ?? 0) + 1
        setTimeout(() => this.#next(), PAUSE_AFTER_FAILURE_MS)
      },
    )
  }

  #next(): void {
    if (this.#isPublishing) this.#publish()
  }

  #settled(startedAt: number): void {
    this.#open--
    const overdueMs = performance.now() - startedAt - this.pool.options.publishTimeoutMs
    this.#maxOverdueMs = Math.max(this.#maxOverdueMs, overdueMs)
  }

  #noteConfirm(): void {
    const now = performance.now()
    this.#confirmed++
    this.#maxConfirmGapMs = Math.max(this.#maxConfirmGapMs, now - this.#lastConfirmAt)
    this.#lastConfirmAt = now
    if (this.#backAt === undefined) return
    this.#recoveryMs = Math.max(this.#recoveryMs, now - this.#backAt)
    this.#backAt = undefined
  }
}

/** Declares a queue, opens a pool, and begins to publish. The queue is deleted after the test. */
export async function startFaultRun(options: FaultRunOptions): Promise<FaultRun> {
  const queue = uniqueName('fault')
  const { url, home = url } = options
  await onChannel(home, (channel) => channel.assertQueue(queue, options.queue ?? { durable: true }))
  afterTest(() => onChannel(url, (channel) => channel.deleteQueue(queue)).catch(ignore))
  const log = new RecordedLog('info')
  const pool = makePool({ idleTimeoutMs: 300, ...options.pool, logger: log })
  await until(() => pool.stats().channels >= Math.max(1, pool.options.minChannels))
  return new FaultRun(pool, log, queue, options)
}

type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>

/** Runs something on a channel of a connection of its own. */
export async function onChannel<T>(url: string, run: (channel: Channel) => PromiseLike<T>): Promise<T> {
  const connection = await connect(url, { noDelay: true })
  connection.on('error', ignore)
  try {
    return await run(await connection.createChannel())
  } finally {
    await connection.close().catch(ignore)
  }
}

function ignore(): void {}
function yes(): boolean {
  return true
}
function no(): boolean {
  return false
}
