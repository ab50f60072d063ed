import { integer } from '../integer.ts'
import { freePort } from './free-port.ts'
import { ended, GuardedFolder, signalGroup } from './guarded-folder.ts'
import { obtainRabbitmq } from './rabbitmq-download.ts'
import { randomCookie } from './rabbitmq-environment.ts'
import { type RabbitmqNode, type RabbitmqNodeOptions, startEpmd, startRabbitmqNode } from './rabbitmq-node.ts'

/** A slip of the fingers must not fill the machine. */
const MOST_NODES = 32

/** Private RabbitMQ nodes that form one cluster. */
export interface RabbitmqCluster extends AsyncDisposable {
  readonly nodes: readonly RabbitmqNode[]
  /** The nodes' URLs, as the option `broker` of a pool takes them. */
  readonly urls: readonly string[]
  /** Ends every node and removes its data. */
  stop(): Promise<void>
}

/**
 * Starts nodes as {@link startRabbitmqNode} does and joins them into one cluster; three take about 20 s on two cores.
 *
 * @throws {PooledProducerError} ERR_BROKER_UNAVAILABLE; ERR_INVALID_OPTION for a size that is none.
 */
export async function startRabbitmqCluster(
  size: number,
  options: Omit<RabbitmqNodeOptions, 'port' | 'name' | 'epmdPort' | 'cookie'> = {},
): Promise<RabbitmqCluster> {
  integer('size', size, 1, MOST_NODES)
  const install =
    options.sbin === undefined ? await obtainRabbitmq(options.onProgress) : { sbin: options.sbin, env: {} }
  const env = { ...install.env, ...options.env }
  const cookie = randomCookie()
  const epmdPort = await freePort()
  // The port mapper is the cluster's: it has to outlive whichever node a test takes away.
  const folder = new GuardedFolder('pooled-producer-epmd')
  const epmd = startEpmd(folder, epmdPort, { ...process.env, ...env })

  const nodes: RabbitmqNode[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
    if (epmd !== undefined) {
      signalGroup(epmd, 'SIGKILL')
      await ended(epmd)
    }
    await folder.remove()
  }
  try {
    const nodeOptions = { ...options, sbin: install.sbin, env, epmdPort, cookie }
    const starts = Array.from({ length: size }, async () => nodes.push(await startRabbitmqNode(nodeOptions)))
    await allOrFirstFailure(starts)
    const [first, ...others] = nodes
    if (first !== undefined) await first.ctl('await_startup')
    // One after the other: two that join at once wait for each other's locks.
    for (const node of others) {
      await node.ctl('stop_app')
      await node.ctl('join_cluster', first?.nodename ?? '')
      await node.ctl('start_app')
    }
    return { nodes, urls: nodes.map((node) => node.url), stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Waits for all, so that nothing is still starting when the failure of one is dealt with. */
async function allOrFirstFailure(promises: Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(promises)
  const failure = settled.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}
