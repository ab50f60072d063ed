import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { demoCommand } from '../../lib/cli/demo-command.ts'
import { rabbitmqNodeTest, uniqueName, useBroker } from '../support/broker.ts'
import { afterTest } from '../support/cleanup.ts'
import { startScript } from '../support/script.ts'
import { writtenTerminal } from './written-terminal.ts'

const broker = useBroker()
const WAYS = ['channel-per-call', 'channel-per-call-nodelay', 'celery-node', 'celery-node-pooled', 'celery-pool']
let urlBefore: string | undefined

beforeEach(() => {
  urlBefore = process.env.AMQP_URL
  process.env.AMQP_URL = broker.url
})

afterEach(() => {
  if (urlBefore === undefined) delete process.env.AMQP_URL
  else process.env.AMQP_URL = urlBefore
})

test('--json prints one object of the agreed shape, and nothing else on standard output', async () => {
  const terminal = writtenTerminal()

  expect(await demoCommand(['--tasks', '60', '--json'], terminal)).toBe(0)

  const number = expect.any(Number)
  expect(JSON.parse(terminal.out())).toStrictEqual({
    broker: { kind: 'external', version: broker.version },
    runs: WAYS.map((name) => {
      const isPerCall = name.startsWith('channel-per-call')
      return {
        name,
        tasks: 60,
        tasksPerSecond: number,
        confirmMs: { p50: number, p99: number },
        cpuMicrosPerTask: number,
        channelsOpened: isPerCall ? 60 : 1,
        publishesPerChannel: isPerCall ? 1 : 60,
        lost: 0,
        duplicated: 0,
        speedup: name === 'channel-per-call' ? 1 : number,
      }
    }),
    reuse: { publishes: 120, channelsOpened: 2, reuseRatio: 1 - 2 / 120 },
  })
}, 60_000)

test('without --json it prints a table, and progress on standard error', async () => {
  const terminal = writtenTerminal()

  expect(await demoCommand(['--tasks', '20'], terminal)).toBe(0)

  const out = terminal.out()
  expect(out).toContain(`${broker.product} ${broker.version} (AMQP_URL), Node ${process.versions.node}, amqplib 2.`)
  for (const name of WAYS) expect(out).toMatch(new RegExp(`^${name} .* 20 `, 'm'))
  expect(out).toContain('All 100 tasks arrived exactly as sent, once each')
  expect(out).toContain('95 % channel reuse, read back from the log of the pools: 40 publishes over 2 channels')
  for (const name of WAYS) expect(terminal.err()).toMatch(new RegExp(`^${name}: 20 tasks in `, 'm'))
}, 60_000)

test.each([[['--tasks', '0']], [['--tasks', '1e3']], [['--tasks', '1000001']], [['--task', '5']], [['now']]])(
  '%j is wrong usage, exit code 2',
  async (argv) => {
    const terminal = writtenTerminal()

    expect(await demoCommand(argv, terminal)).toBe(2)

    expect(terminal.out()).toBe('')
    expect(terminal.err()).toMatch(/^pooled-producer demo: .*\n\nUsage: /)
  },
)

test('--help prints the usage', async () => {
  const terminal = writtenTerminal()

  expect(await demoCommand(['--help'], terminal)).toBe(0)
  expect(terminal.out()).toMatch(/^Usage: pooled-producer demo/)
})

test.each([
  ['does not answer', 'amqp://127.0.0.1:1', 'ERR_BROKER_UNAVAILABLE'],
  ['refuses the password', new URL('/', broker.url).href.replace(/\/\/.*@/, '//guest:wrong@'), 'ERR_BROKER_REFUSED'],
])('a broker that %s is told, exit code 3', async (_, url, code) => {
  process.env.AMQP_URL = url
  const terminal = writtenTerminal()

  expect(await demoCommand([], terminal)).toBe(3)

  expect(terminal.out()).toBe('')
  expect(terminal.err()).toMatch(new RegExp(`pooled-producer demo: .* \\(${code}\\)\n$`))
})

rabbitmqNodeTest(
  'Ctrl-C ends it with exit code 130 and deletes its queue',
  async () => {
    // Other files run the demo at the same time, with queues of the same kind.
    const vhost = uniqueName('demo')
    await broker.ctl('add_vhost', vhost)
    afterTest(() => broker.ctl('delete_vhost', vhost))
    await broker.ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')
    process.env.AMQP_URL = Object.assign(new URL(broker.url), { pathname: vhost }).href
    // Its progress comes to standard output, where the test can wait for it.
    const script = startScript(`
    import process from 'node:process'
    import { demoCommand } from '../../lib/cli/demo-command.ts'
    const { stdin, stdout } = process
    process.exitCode = await demoCommand(['--tasks', '1000000'], { stdin, stdout, stderr: stdout })
  `)
    while (!(await script.nextLine()).startsWith('channel-per-call: 0 of')) {}
    const demoQueues = async () =>
      (await broker.ctl('list_queues', '--quiet', '-p', vhost, 'name')).match(/^pooled-producer-demo\..*/gm)
    expect(await demoQueues()).toHaveLength(1)

    script.process.kill('SIGINT')

    expect(await script.nextLine()).toBe('pooled-producer demo: interrupted')
    expect(await script.ended).toEqual({ code: 130, signal: null })
    expect(await demoQueues()).toBeNull()
  },
  60_000,
)
