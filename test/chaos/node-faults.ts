import { setTimeout as delay } from 'node:timers/promises'
import type { RabbitmqNode } from '../../lib/testing/index.ts'
import { until } from '../support/condition.ts'
import type { Random } from '../support/random.ts'
import type { ChaosCluster } from './cluster.ts'

const LEADER_LIMIT_MS = 30_000

/** Makes a fault and mends it; resolves when everything can be reached again. */
export type Fault = (random: Random) => Promise<void>

/** What befalls the brokers; one node at a time, so that the quorum queues keep their majority. */
export function nodeFaults(cluster: ChaosCluster): Record<string, Fault> {
  const anyNode = (random: Random) => cluster.nodes[random(cluster.nodes.length)] as RabbitmqNode

  const killed = async (node: RabbitmqNode, random: Random) => {
    await node.kill('SIGKILL')
    await delay(random(3_000))
    await node.start()
  }
  return {
    'node-kill': (random) => killed(anyNode(random), random),
    'leader-kill': async (random) => killed(await leaderOf(cluster, random), random),
    'node-restart': async (random) => {
      await anyNode(random).restart()
    },
    'node-freeze': async (random) => {
      const node = anyNode(random)
      await node.kill('SIGSTOP')
      await delay(1_000 + random(7_000))
      await node.kill('SIGCONT')
    },
    'app-stop': async (random) => {
      const node = anyNode(random)
      await node.ctl('stop_app')
      await delay(random(2_000))
      await node.ctl('start_app')
    },
    'close-all-connections': async (random) => {
      await anyNode(random).ctl('close_all_connections', 'chaos')
    },
    'close-connection': async (random) => {
      const connections = await cluster.list('list_connections', 'pid')
      const { pid } = connections[random(connections.length)] ?? {}
      // It may have been closed since, which is no fault of the broker's.
      if (typeof pid === 'string') await closeConnection(anyNode(random), pid).catch(() => {})
    },
    'memory-alarm': async (random) => {
      const node = anyNode(random)
      await node.ctl('set_vm_memory_high_watermark', '0')
      await delay(500 + random(3_000))
      await node.ctl('set_vm_memory_high_watermark', '0.4')
    },
    'disk-alarm': async (random) => {
      const node = anyNode(random)
      await node.ctl('set_disk_free_limit', '999GB')
      await delay(500 + random(3_000))
      await node.ctl('set_disk_free_limit', '50MB')
    },
  }
}

async function closeConnection(node: RabbitmqNode, pid: string): Promise<void> {
  await node.ctl('close_connection', pid, 'chaos')
}

async function leaderOf(cluster: ChaosCluster, random: Random): Promise<RabbitmqNode> {
  const leaders: string[] = []
  // For a moment after an election nobody may know the new leader.
  await until(async () => {
    const queues = await cluster.list('list_queues', 'type', 'leader')
    leaders.push(...queues.map(({ leader }) => String(leader ?? '')).filter((leader) => leader !== ''))
    return leaders.length > 0
  }, LEADER_LIMIT_MS)
  const leader = leaders[random(leaders.length)]
  return cluster.nodes.find(({ nodename }) => nodename === leader) as RabbitmqNode
}
