import type { RabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'

/**
 * Resolves once a node has written what it was told: the queues of the last moment it has only in memory, and a kill
 * loses them.
 */
export async function stateWritten(node: RabbitmqNode): Promise<void> {
  // A node without Mnesia writes before it answers.
  await node.ctl('eval', 'catch mnesia:sync_log().')
}
