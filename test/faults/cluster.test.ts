import { afterEach, expect } from '@jest/globals'
import type { RabbitmqNode } from '../../lib/testing/rabbitmq-node.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { until } from '../support/condition.ts'
import { failureOf } from '../support/failure.ts'
import { makePool, makeProxy } from '../support/pools.ts'
import { type FaultRun, type FaultRunOptions, onChannel, type Proof, startFaultRun } from './support/fault-run.ts'
import { useCluster } from './support/nodes.ts'

const cluster = useCluster(3)
const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } }
const PATIENT = { publishTimeoutMs: 60_000 }
/** What publishing may take to resume after a fault of the cluster. */
const RECOVERY = { recoveryMs: 10_000 }

/** A run whose pool has the nodes given, in their order; the queue's leader is on `home`. */
async function clusterRun(nodes: readonly RabbitmqNode[], home: RabbitmqNode, options: Partial<FaultRunOptions> = {}) {
  const [own] = nodes as [RabbitmqNode]
  const run = await startFaultRun({
    url: own.url,
    home: home.url,
    window: 64,
    ...options,
    pool: { broker: nodes.map(({ url }) => url), ...PATIENT, ...options.pool },
  })
  await run.warm()
  return run
}

/** Brings back every node, and waits until each of them knows of all. */
async function heal(): Promise<void> {
  const { nodes } = cluster()
  for (const node of nodes) await node.kill('SIGCONT')
  await Promise.all(nodes.map((node) => node.start()))
  await until(async () => {
    const states = await Promise.all(nodes.map((node) => node.ctl('cluster_status', '--formatter', 'json')))
    return states.every((state) => JSON.parse(state).running_nodes.length === nodes.length)
  }, 60_000)
}

afterEach(heal, 90_000)

function nodesInOrder(first: number): [RabbitmqNode, RabbitmqNode, RabbitmqNode] {
  const { nodes } = cluster()
  return [0, 1, 2].map((n) => nodes[(first + n) % 3]) as [RabbitmqNode, RabbitmqNode, RabbitmqNode]
}

function brokersOf(run: FaultRun): unknown[] {
  return run.log.of('connection.open').map(({ broker }) => broker)
}

/** Ends a run whose queue has lost its leader: what was in flight may have arrived twice, and nothing is lost. */
async function endWithoutLeader(run: FaultRun): Promise<Proof> {
  const proof = await run.end()
  expect(proof).toMatchObject({ lost: 0, unexpected: 0, unsettled: 0, unknown: 0, poolBaselineRestored: true })
  expect(proof.duplicated).toBeLessThanOrEqual(run.window)
  expect(proof.recoveryMs).toBeLessThan(RECOVERY.recoveryMs)
  return proof
}

rabbitmqNodeTest(
  'row 4: when its node goes, a pool is with another node of the list, and publishing goes on',
  async () => {
    const [own, second, third] = nodesInOrder(0)
    const run = await clusterRun([own, second, third], second, { queue: QUORUM, url: second.url })

    run.brokerIsBack()
    await own.kill('SIGTERM')
    await run.confirmMore(1_000)

    const proof = await run.endWithin({ faults: 1, ...RECOVERY })
    expect(proof).toMatchObject({ unknown: 0, notSent: 0 })
    expect(brokersOf(run)).toEqual([own, second].map(({ port }) => expect.stringContaining(`${port}`)))
  },
)

rabbitmqNodeTest(
  'row 4: nodes of the list are tried fairly, and one that swallows everything costs no more than 2 s',
  async () => {
    const [own, second, third] = nodesInOrder(0)
    const proxies = await Promise.all([own, second, third].map(({ url }) => makeProxy(url)))
    const run = await startFaultRun({ url: third.url, pool: { broker: proxies.map(({ url }) => url), ...PATIENT } })
    await run.warm()

    await proxies[1]?.set('silent')
    await proxies[0]?.set('silent')
    proxies[0]?.reset()
    run.brokerIsBack()
    await run.confirmMore(1_000)

    expect(await run.endWithin({ faults: 1, recoveryMs: 3_500 })).toMatchObject({ unknown: 0, notSent: 0 })
    expect(brokersOf(run).at(-1)).toContain(`${proxies[2]?.port}`)
  },
)

rabbitmqNodeTest(
  'row 5: when the leader of a quorum queue is lost, a pool on another node notices a pause at most',
  async () => {
    const [own, leader, third] = nodesInOrder(1)
    const run = await clusterRun([own, third], leader, { queue: QUORUM })

    run.brokerIsBack()
    await leader.kill('SIGKILL')
    await run.confirmMore(2_000)

    expect(await endWithoutLeader(run)).toMatchObject({ notSent: 0 })
  },
)

rabbitmqNodeTest(
  'row 6: a channel that nacks for ever after its leader is lost is replaced, and nothing is lost',
  async () => {
    const [own, second, third] = nodesInOrder(0)
    const run = await clusterRun([own, second, third], own, { queue: QUORUM, url: third.url })

    run.brokerIsBack()
    await own.kill('SIGKILL')
    await run.confirmMore(2_000)

    expect(await endWithoutLeader(run)).toMatchObject({ nacked: 0 })
  },
)

rabbitmqNodeTest(
  'row 7: without a majority every publish is settled in time, nothing piles up, and it resumes by itself',
  async () => {
    const [own, second, third] = nodesInOrder(0)
    const run = await clusterRun([own], own, {
      queue: QUORUM,
      pool: { publishTimeoutMs: 2_000, confirmTimeoutMs: 500 },
    })

    await Promise.all([second.kill('SIGSTOP'), third.kill('SIGSTOP')])
    await run.fail(run.window * 2)
    const { bufferedBytes, channels } = run.pool.stats()
    await Promise.all([second.kill('SIGCONT'), third.kill('SIGCONT')])
    run.brokerIsBack()
    await run.confirmMore(1_000)

    const proof = await run.end()
    expect(proof).toMatchObject({ lost: 0, unexpected: 0, unsettled: 0, poolBaselineRestored: true })
    expect(proof.maxOverdueMs).toBeLessThan(500)
    expect(bufferedBytes).toBeLessThanOrEqual(run.window * 200)
    expect(channels).toBeLessThanOrEqual(8)
    expect(proof.recoveryMs).toBeLessThan(RECOVERY.recoveryMs)
  },
)

rabbitmqNodeTest(
  'row 8: when the node of a classic queue is down its publishes fail by name, and others go on',
  async () => {
    const [own, home, third] = nodesInOrder(0)
    const run = await clusterRun([own, third], home)
    const other = await onChannel(own.url, (channel) => channel.assertQueue('', { durable: true }))
    afterTest(() => onChannel(own.url, (channel) => channel.deleteQueue(other.queue)))
    const pool = makePool({ broker: own.url })

    await home.kill('SIGKILL')
    await run.fail(run.window)
    const error = await failureOf(pool.publish({ routingKey: run.queue, body: 'x', mandatory: true }))
    const receipt = await pool.publish({ routingKey: other.queue, body: 'x', mandatory: true })
    await pool.close()
    await heal()
    run.brokerIsBack()
    await run.confirmMore(1_000)

    const proof = await run.endWithin({ faults: 1, ...RECOVERY })
    expect(error).toMatchObject({ code: 'ERR_UNROUTABLE', outcome: 'refused' })
    expect(receipt).toMatchObject({ attempts: 1 })
    expect(proof.unknown + proof.returned).toBeGreaterThan(0)
  },
)
