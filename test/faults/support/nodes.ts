import { afterAll, beforeAll } from '@jest/globals'
import { type RabbitmqCluster, startRabbitmqCluster } from '../../../lib/testing/rabbitmq-cluster.ts'
import { type RabbitmqNode, type RabbitmqNodeOptions, startRabbitmqNode } from '../../../lib/testing/rabbitmq-node.ts'

/** A private node for the tests of one file, to break and mend; to be called once, at the top of the file. */
export function useNode(options: RabbitmqNodeOptions = {}): () => RabbitmqNode {
  let node: RabbitmqNode
  beforeAll(async () => {
    node = await startRabbitmqNode(options)
  }, 60_000)
  afterAll(() => node.stop())
  return () => node
}

/** A private cluster for the tests of one file; to be called once, at the top of the file. */
export function useCluster(size: number): () => RabbitmqCluster {
  let cluster: RabbitmqCluster
  beforeAll(async () => {
    cluster = await startRabbitmqCluster(size)
  }, 180_000)
  afterAll(() => cluster.stop(), 60_000)
  return () => cluster
}
