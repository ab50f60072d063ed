import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'amqplib'
import type { FaultProxy, RabbitmqCluster, RabbitmqNode } from '../../lib/testing/index.ts'
import { startFaultProxy, startRabbitmqCluster } from '../../lib/testing/index.ts'
import type { Arrivals } from './arrivals.ts'
import { untilReachable } from './probe.ts'
import type { ChaosQueue } from './protocol.ts'
import { QueueConsumer } from './queue-consumer.ts'

const NODES = 3
const QUORUM_QUEUES = 2
const QUIET_MS = 1_500
const POLL_MS = 300

/** Three nodes, the queues of a run, a proxy before each node, and what drains the queues all the time. */
export class ChaosCluster {
  readonly queues: readonly ChaosQueue[]
  readonly proxies: readonly FaultProxy[]
  readonly #cluster: RabbitmqCluster
  readonly #arrivals: Arrivals
  readonly #consumers: readonly QueueConsumer[]

  private constructor(
    cluster: RabbitmqCluster,
    proxies: readonly FaultProxy[],
    queues: readonly ChaosQueue[],
    arrivals: Arrivals,
  ) {
    this.#cluster = cluster
    this.proxies = proxies
    this.queues = queues
    this.#arrivals = arrivals
    this.#consumers = queues.map(({ name }, index) => new QueueConsumer(name, cluster.urls, index, arrivals))
  }

  /** Starts the nodes, declares the queues and begins to consume. */
  static async start(arrivals: Arrivals): Promise<ChaosCluster> {
    const cluster = await startRabbitmqCluster(NODES)
    const proxies = await Promise.all(cluster.urls.map((target) => startFaultProxy({ target })))
    const queues: ChaosQueue[] = []
    // A queue lives on the node where it is declared: a classic one for good, a quorum one with its first leader.
    for (let index = 0; index < NODES + QUORUM_QUEUES; index++) {
      const kind = index < NODES ? 'classic' : 'quorum'
      const queue: ChaosQueue = { name: `chaos.${kind}.${index}`, kind }
      await declare(cluster.urls[index % NODES] as string, queue)
      queues.push(queue)
    }
    return new ChaosCluster(cluster, proxies, queues, arrivals)
  }

  get nodes(): readonly RabbitmqNode[] {
    return this.#cluster.nodes
  }

  get urls(): readonly string[] {
    return this.#cluster.urls
  }

  get version(): string {
    return this.nodes[0]?.version ?? 'unknown'
  }

  /** What `rabbitmqctl` prints as JSON. */
  async list(...args: string[]): Promise<Record<string, unknown>[]> {
    const node = this.nodes[0] as RabbitmqNode
    return JSON.parse(await node.ctl(...args, '--formatter', 'json'))
  }

  /** Resolves when a client without a pool can publish to every queue on every way, with the time that it needed. */
  untilReachable(limitMs: number): Promise<number> {
    const ways = [...this.urls, ...this.proxies.map(({ url }) => url)]
    return untilReachable(
      ways,
      this.queues.map(({ name }) => name),
      limitMs,
    )
  }

  /** Resolves when the queues were found empty twice, with no arrival in between. */
  async untilEmpty(limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs
    let emptyTimes = 0
    while (emptyTimes < 2) {
      if (performance.now() > deadline) throw new Error(`the queues were not empty after ${limitMs} ms`)
      const before = this.#arrivals.messages
      await delay(QUIET_MS)
      const isQuiet = this.#arrivals.messages === before && (await this.#depth()) === 0
      emptyTimes = isQuiet ? emptyTimes + 1 : 0
    }
  }

  /** Resolves when the broker has this many channels of publishers; false when it never does. */
  async hasPublisherChannels(count: number, limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs
    while (performance.now() < deadline) {
      const channels = await this.list('list_channels', 'confirm')
      if (channels.filter(({ confirm }) => confirm === true).length === count) return true
      await delay(POLL_MS)
    }
    return false
  }

  async stop(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()))
    await Promise.all(this.proxies.map((proxy) => proxy.stop()))
    await this.#cluster.stop()
  }

  async #depth(): Promise<number> {
    const queues = await this.list('list_queues', 'messages')
    return queues.reduce((sum, { messages }) => sum + Number(messages), 0)
  }
}

async function declare(url: string, { name, kind }: ChaosQueue): Promise<void> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  await channel.assertQueue(name, {
    durable: true,
    ...(kind === 'quorum' && { arguments: { 'x-queue-type': 'quorum' } }),
  })
  await connection.close()
}
