import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { GuardedFolder } from '../../lib/testing/guarded-folder.ts'
import { sequence } from '../support/random.ts'
import { Arrivals } from './arrivals.ts'
import { ChaosCluster } from './cluster.ts'
import { nodeFaults } from './node-faults.ts'
import { proofOf } from './proof.ts'
import { proxyFaults } from './proxy-faults.ts'
import { publisherFaults } from './publisher-faults.ts'
import { PublisherProcess } from './publisher-process.ts'
import { type ChaosResult, resultOf } from './result.ts'
import { type Strike, Strikes } from './strikes.ts'

/** How a run is done. */
export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  /** Tasks per second, over all publishers. */
  readonly rate: number
  /** Where logs and journals are left; undefined: nowhere. */
  readonly folder: string | undefined
}

/** What a run tells of itself while it lasts. */
export interface Progress {
  /** What it does now. */
  phase(text: string): void
  /** A thing worth a line of its own. */
  note(text: string): void
}

/** Where each publisher finds the nodes: by itself, through the proxies, or one of each. */
const ROUTES: readonly ((urls: readonly string[], proxies: readonly string[]) => readonly string[])[] = [
  (urls) => urls,
  (_, proxies) => proxies,
  (_, proxies) => [...proxies.slice(1), ...proxies.slice(0, 1)],
  (urls, proxies) => [proxies[2], urls[0], proxies[1]] as string[],
]
/** Tasks without an outcome, per publisher and queue, at most. */
const WINDOW = 100
const SETTLE_MS = 2_000
const DRAIN_LIMIT_MS = 180_000
const REACHABLE_LIMIT_MS = 120_000
const BROKER_LIMIT_MS = 60_000

/** One run from the start of its cluster to its end. */
export class ChaosRun {
  readonly #options: ChaosOptions
  readonly #progress: Progress
  readonly #arrivals: Arrivals = new Arrivals(ROUTES.length)
  readonly #guard: GuardedFolder = new GuardedFolder('pooled-producer-chaos')
  readonly #complaints: string[] = []
  readonly #strikes: Strike[] = []

  constructor(options: ChaosOptions, progress: Progress) {
    this.#options = options
    this.#progress = progress
  }

  /** Tasks that have arrived. */
  get tasks(): number {
    return this.#arrivals.tasks
  }

  /** Faults so far. */
  get faults(): number {
    return this.#strikes.reduce((sum, { kinds }) => sum + kinds.length, 0)
  }

  async run(): Promise<ChaosResult> {
    this.#progress.phase('starting a cluster of three nodes')
    const cluster = await ChaosCluster.start(this.#arrivals)
    try {
      return await this.#on(cluster)
    } finally {
      await cluster.stop()
      await this.#guard.remove()
    }
  }

  async #on(cluster: ChaosCluster): Promise<ChaosResult> {
    const publishers = this.#publishers(cluster)
    this.#progress.phase('starting the publishers')
    await Promise.all(publishers.map((publisher) => publisher.start()))
    const startedAt = performance.now()
    await delay(SETTLE_MS)
    await this.#strike(cluster, publishers, startedAt + this.#options.minutes * 60_000)
    const elapsedMs = performance.now() - startedAt

    this.#progress.phase('draining')
    await Promise.all(publishers.map((publisher) => publisher.rest()))
    await cluster.untilEmpty(DRAIN_LIMIT_MS)
    await this.#compareChannels(cluster, publishers)
    await Promise.all(publishers.map((publisher) => publisher.terminate()))
    const { minutes, seed } = this.#options
    const proof = proofOf(
      publishers.map((publisher) => publisher.account()),
      this.#arrivals,
    )
    return resultOf({
      seed,
      minutes,
      window: ROUTES.length * cluster.queues.length * WINDOW,
      elapsedMs,
      proof,
      strikes: this.#strikes,
      figures: publishers.flatMap((publisher) => publisher.figures),
      complaints: [...this.#complaints, ...publishers.flatMap(({ complaints }) => complaints)],
      versions: { rabbitmq: cluster.version, node: process.versions.node, ...packageVersions() },
    })
  }

  #publishers(cluster: ChaosCluster): PublisherProcess[] {
    const { urls, queues } = cluster
    const proxies = cluster.proxies.map(({ url }) => url)
    return ROUTES.map((route, publisher) => {
      const settings = {
        publisher,
        broker: route(urls, proxies),
        connections: 1 + (publisher % 2),
        queues,
        rate: this.#options.rate / ROUTES.length,
        window: WINDOW,
        folder: this.#options.folder ?? this.#guard.path,
      }
      return new PublisherProcess(settings, this.#guard)
    })
  }

  async #strike(cluster: ChaosCluster, publishers: readonly PublisherProcess[], end: number): Promise<void> {
    const faults = {
      cluster: nodeFaults(cluster),
      network: proxyFaults(cluster.proxies),
      publisher: publisherFaults(publishers),
    }
    const strikes = new Strikes(
      faults,
      publishers,
      () => cluster.untilReachable(REACHABLE_LIMIT_MS),
      sequence(this.#options.seed),
    )
    this.#progress.phase('publishing')
    while (performance.now() < end) {
      const strike = await strikes.next((kinds) => this.#progress.phase(kinds.join(' with ')))
      this.#strikes.push(strike)
      const { kinds, resumedMs, isInTime, isRestored } = strike
      const flaws = [...(isInTime ? [] : ['too late']), ...(isRestored ? [] : ['not as before'])]
      const text = `${kinds.join(' with ')}: went on after ${resumedMs ?? 'no number of'} ms`
      this.#progress.note([text, ...flaws].join(', '))
    }
  }

  /** The broker must know of no more channels than the pools do. */
  async #compareChannels(cluster: ChaosCluster, publishers: readonly PublisherProcess[]): Promise<void> {
    const channels = publishers.reduce((sum, { figures }) => sum + (figures.at(-1)?.stats.channels ?? 0), 0)
    if (!(await cluster.hasPublisherChannels(channels, BROKER_LIMIT_MS))) {
      this.#complaints.push(`the pools have ${channels} channels, and the broker has another number`)
    }
  }
}

function packageVersions(): Record<string, string> {
  const root = join(import.meta.dirname, '../..')
  const versionOf = (folder: string) => {
    return (JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { version: string }).version
  }
  return { amqplib: versionOf('node_modules/amqplib'), 'pooled-producer': versionOf('.') }
}
