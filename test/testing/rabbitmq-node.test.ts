import { existsSync } from 'node:fs'
import { afterAll, expect } from '@jest/globals'
import { connect } from 'amqplib'
import { addressOf, greet } from '../../lib/testing/amqp-greeting.ts'
import { type RabbitmqNode, startRabbitmqCluster, startRabbitmqNode } from '../../lib/testing/index.ts'
import { rabbitmqNodeTest } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { startScript } from '../support/script.ts'
import { stateWritten } from '../support/written-state.ts'

// A start takes 5 s on a quiet machine.
const TIMEOUT_MS = 180_000

let shared: RabbitmqNode | undefined

/** One node for those tests that leave it as they found it. */
async function sharedNode(): Promise<RabbitmqNode> {
  shared ??= await startRabbitmqNode({ config: ['channel_max = 16'] })
  return shared
}

afterAll(() => shared?.stop())

function folderOf(node: RabbitmqNode): string {
  return node.ctlCommand.env.HOME as string
}

function answers(port: number, timeoutMs = 20_000): Promise<boolean> {
  return greet({ host: '127.0.0.1', port }, timeoutMs).then(
    () => true,
    () => false,
  )
}

rabbitmqNodeTest(
  'a node takes its configuration and commands',
  async () => {
    const node = await sharedNode()
    const connection = await connect(node.url)

    expect((connection.connection as unknown as { channelMax: number }).channelMax).toBe(16)
    expect(node.version).toMatch(/^\d+\.\d+/)
    expect(await node.ctl('list_connections', 'user')).toMatch(/guest/)
    await expect(node.ctl('nonsense')).rejects.toThrow(/nonsense/)
    await connection.close()
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'a killed node is gone at once, and comes back on the same port with its data',
  async () => {
    const node = await sharedNode()
    const connection = await connect(node.url)
    connection.on('error', () => {})
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => {})
    await channel.assertQueue('kept', { durable: true })
    channel.sendToQueue('kept', Buffer.from('x'), { persistent: true })
    await channel.waitForConfirms()
    await stateWritten(node)

    const closed = new Promise((resolve) => connection.once('close', resolve))
    await node.kill()
    await closed
    expect(node.pid).toBeUndefined()
    expect(await answers(node.port)).toBe(false)

    await node.start()
    await node.start()
    const again = await connect(node.url)
    const { messageCount } = await (await again.createChannel()).checkQueue('kept')
    expect(messageCount).toBe(1)
    await again.close()
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'a restart tells connections that it comes',
  async () => {
    const node = await sharedNode()
    const connection = await connect(node.url)
    connection.on('error', () => {})
    const closed = new Promise((resolve) => connection.once('close', resolve))
    await node.restart()

    expect(await closed).toMatchObject({ code: 320 })
    expect(await answers(node.port)).toBe(true)
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'a node that is halted by SIGSTOP is silent until SIGCONT',
  async () => {
    const node = await sharedNode()
    await node.kill('SIGSTOP')
    expect(await answers(node.port, 100)).toBe(false)
    await node.kill('SIGCONT')

    expect(await answers(node.port)).toBe(true)
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'a halted node can be stopped; its folder goes, and it starts no more',
  async () => {
    const node = await sharedNode()
    shared = undefined
    const folder = folderOf(node)
    await node.kill('SIGSTOP')
    await node.stop()
    await node.stop()

    expect(existsSync(folder)).toBe(false)
    expect(await answers(node.port)).toBe(false)
    expect(await answers(Number(node.ctlCommand.env.ERL_EPMD_PORT))).toBe(false)
    await expect(node.start()).rejects.toMatchObject({ code: 'ERR_BROKER_UNAVAILABLE' })
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'a node that does not start is an error that holds its log',
  async () => {
    const starting = startRabbitmqNode({ config: ['no.such.setting = 1'] })

    await expect(starting).rejects.toMatchObject({
      code: 'ERR_BROKER_UNAVAILABLE',
      message: expect.stringMatching(/did not start: it ended\. Its log ends with:.*no\.such\.setting/s),
    })
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'a node and its port mapper end with the process that started them, be it killed',
  async () => {
    const script = startScript(`
      import { startRabbitmqNode } from '../../lib/testing/index.ts'
      const node = await startRabbitmqNode()
      const { HOME, ERL_EPMD_PORT } = node.ctlCommand.env
      console.log(JSON.stringify({ url: node.url, folder: HOME, epmdPort: Number(ERL_EPMD_PORT) }))
      setInterval(() => {}, 1000)
    `)
    const { url, folder, epmdPort } = JSON.parse(await script.nextLine())
    script.process.kill('SIGKILL')
    await script.ended

    await until(() => !existsSync(folder))
    expect(await answers(addressOf(url).port)).toBe(false)
    await expect(greet({ host: '127.0.0.1', port: epmdPort })).rejects.toThrow(/ECONNREFUSED/)
  },
  TIMEOUT_MS,
)

rabbitmqNodeTest(
  'the nodes of a cluster know each other, and a queue of one is reached through another',
  async () => {
    const cluster = await startRabbitmqCluster(2)
    const [first, second] = cluster.nodes as [RabbitmqNode, RabbitmqNode]
    const status = JSON.parse(await second.ctl('cluster_status', '--formatter', 'json'))
    expect(status.running_nodes.toSorted()).toEqual([first.nodename, second.nodename].toSorted())

    const connections = await Promise.all(cluster.urls.map((url) => connect(url)))
    const channels = await Promise.all(connections.map((connection) => connection.createChannel()))
    await channels[0]?.assertQueue('shared', { durable: true })
    expect(await channels[1]?.checkQueue('shared')).toMatchObject({ queue: 'shared' })
    await Promise.all(connections.map((connection) => connection.close()))

    await cluster.stop()
    expect(await Promise.all(cluster.nodes.map(({ port }) => answers(port)))).toEqual([false, false])
  },
  TIMEOUT_MS,
)
