import { expect, test } from '@jest/globals'
import { loadTestCommand } from '../../lib/cli/load-test-command.ts'
import { freePort } from '../../lib/testing/free-port.ts'
import { rabbitmqTest, useBroker } from '../support/broker.ts'
import { until } from '../support/condition.ts'
import { makeProxy } from '../support/pools.ts'
import { useQueues } from '../support/queues.ts'
import { startScript } from '../support/script.ts'
import { writtenTerminal } from './written-terminal.ts'

const broker = useBroker()
const queues = useQueues(broker.url)
const AT_BROKER = ['--broker', broker.url]
const MODES = ['pooled', 'channel-per-call', 'connection-per-call'] as const

async function exists(queue: string): Promise<boolean> {
  const channel = await queues.connection.createChannel()
  channel.on('error', () => {})
  try {
    await channel.checkQueue(queue)
    await channel.close()
    return true
  } catch {
    return false
  }
}

test('--json prints one object with the figures of each mode, and the own queue is gone', async () => {
  const terminal = writtenTerminal()
  const argv = [...AT_BROKER, '--mode', MODES.join(','), '--count', '30', '--concurrency', '5', '--json']

  expect(await loadTestCommand(argv, terminal)).toBe(0)

  const number = expect.any(Number)
  const result = JSON.parse(terminal.out())
  expect(result).toStrictEqual({
    broker: { product: broker.product, version: broker.version },
    queue: expect.stringMatching(/^pooled-producer-load-test\./),
    task: 'pooled_producer.load_test',
    concurrency: 5,
    isInterrupted: false,
    runs: MODES.map((mode) => ({
      mode,
      tasks: 30,
      failed: 0,
      failure: null,
      elapsedMs: number,
      tasksPerSecond: number,
      confirmMs: { p50: number, p99: number },
      cpuMicrosPerTask: number,
      channelsOpened: mode === 'pooled' ? 1 : 30,
      connectionsOpened: mode === 'connection-per-call' ? 30 : 1,
      publishesPerChannel: mode === 'pooled' ? 30 : 1,
      speedup: mode === 'pooled' ? 1 : number,
    })),
  })
  expect(await exists(result.queue)).toBe(false)
})

test('without --json it prints a table, and progress on standard error', async () => {
  const terminal = writtenTerminal()
  const argv = [...AT_BROKER, '--mode', 'pooled,channel-per-call', '--count', '20']

  expect(await loadTestCommand(argv, terminal)).toBe(0)

  expect(terminal.out()).toContain(`${broker.product} ${broker.version}, Node ${process.versions.node}, amqplib 2.`)
  expect(terminal.out()).toMatch(/^pooled_producer\.load_test to .*, 100 at a time/m)
  expect(terminal.out()).toMatch(/^pooled +20 .* 1 +1 +20 +1\.00$/m)
  expect(terminal.out()).toMatch(/^channel-per-call +20 .* 20 +1 +1 /m)
  expect(terminal.err()).toContain('pooled [------------------------] 0 %, 0 of 20')
  for (const mode of ['pooled', 'channel-per-call']) expect(terminal.err()).toMatch(`\n${mode}: 20 tasks in `)
})

test.each(MODES)(
  '%s sends the task that was asked for to the queue that was named, and leaves it there',
  async (mode) => {
    const queue = queues.name()
    const task = ['--task', 'shop.add', '--args', '[2, "three"]', '--kwargs', '{"x": 4}']

    expect(
      await loadTestCommand(
        [...AT_BROKER, ...task, '--queue', queue, '--count', '3', '--mode', mode],
        writtenTerminal(),
      ),
    ).toBe(0)

    const messages = await queues.take(queue, 3)
    const headers = messages.map(({ properties }) => properties.headers ?? {})
    expect(headers.map(({ task, argsrepr, kwargsrepr }) => ({ task, argsrepr, kwargsrepr }))).toEqual(
      Array(3).fill({ task: 'shop.add', argsrepr: "(2, 'three')", kwargsrepr: "{'x': 4}" }),
    )
    expect(new Set(headers.map(({ id }) => id)).size).toBe(3)
    for (const { content, properties } of messages) {
      expect(JSON.parse(content.toString()).slice(0, 2)).toEqual([[2, 'three'], { x: 4 }])
      expect(properties.deliveryMode).toBe(2)
    }
    expect(await queues.depth(queue)).toBe(0)
  },
)

test('--seconds sends for that long', async () => {
  const terminal = writtenTerminal()

  expect(await loadTestCommand([...AT_BROKER, '--seconds', '1', '--concurrency', '2', '--json'], terminal)).toBe(0)

  const [run] = JSON.parse(terminal.out()).runs
  expect(run.elapsedMs).toBeGreaterThanOrEqual(1_000)
  expect(run.tasks).toBeGreaterThan(0)
})

test('a queue with messages or consumers is flooded only with --force', async () => {
  const full = await queues.declare()
  queues.channel.sendToQueue(full, Buffer.from('order'))
  const consumed = await queues.declare()
  await until(async () => (await queues.depth(full)) === 1)
  let consumedTasks = 0
  const { consumerTag } = await queues.channel.consume(consumed, () => consumedTasks++, { noAck: true })

  for (const [queue, use] of [
    [full, '1 message'],
    [consumed, '1 consumer'],
  ] as const) {
    const [refused, forced] = [writtenTerminal(), writtenTerminal()]
    const argv = [...AT_BROKER, '--queue', queue, '--count', '3']
    expect(await loadTestCommand(argv, refused)).toBe(2)
    expect(refused.err()).toContain(`the queue ${queue} has ${use}, `)
    expect(refused.err()).toContain('--force sends nevertheless')
    expect(refused.out()).toBe('')
    expect(await loadTestCommand([...argv, '--force'], forced)).toBe(0)
  }

  await until(() => consumedTasks === 3)
  await queues.channel.cancel(consumerTag)
  expect(await queues.depth(full)).toBe(4)
})

test('calls that fail end with exit code 1, after the figures of those that went well', async () => {
  const queue = await queues.declare({
    durable: true,
    arguments: { 'x-max-length': 2, 'x-overflow': 'reject-publish' },
  })
  const terminal = writtenTerminal()
  const argv = [...AT_BROKER, '--queue', queue, '--count', '9', '--concurrency', '1', '--mode', 'channel-per-call']

  expect(await loadTestCommand(argv, terminal)).toBe(1)

  expect(terminal.out()).toMatch(/^channel-per-call +2 /m)
  expect(terminal.err()).toMatch(/^pooled-producer load-test: channel-per-call: 1 call failed: .*nack/m)
})

test('a connection that is lost on the way fails a mode by hand, and what there is is printed', async () => {
  const proxy = await makeProxy(broker.url)
  const terminal = writtenTerminal()
  const argv = ['--broker', proxy.url, '--seconds', '600', '--mode', 'channel-per-call', '--concurrency', '3', '--json']
  const ended = loadTestCommand(argv, terminal)
  await until(() => terminal.err().includes('0 %'))

  proxy.reset()

  expect(await ended).toBe(1)
  const { queue, runs } = JSON.parse(terminal.out())
  expect(runs[0].failed).toBeGreaterThan(0)
  expect(terminal.err()).toMatch(/channel-per-call: \d calls? failed: /)
  expect(await exists(queue)).toBe(false)
})

test.each([
  ['nobody listens', async () => `amqp://127.0.0.1:${await freePort()}`, 'ERR_BROKER_UNAVAILABLE'],
  ['the password is wrong', async () => `amqp://guest:s3cret@${new URL(broker.url).host}`, 'ERR_BROKER_REFUSED'],
])('where %s the exit code is 3', async (_, url, code) => {
  const terminal = writtenTerminal()

  expect(await loadTestCommand(['--broker', await url()], terminal)).toBe(3)

  expect(terminal.out()).toBe('')
  expect(terminal.err()).toContain(`(${code})`)
  expect(terminal.err()).not.toContain('s3cret')
})

rabbitmqTest('a queue that the broker refuses is exit code 3, with what it says', async () => {
  const terminal = writtenTerminal()

  expect(await loadTestCommand([...AT_BROKER, '--queue', 'amq.mine'], terminal)).toBe(3)

  expect(terminal.out()).toBe('')
  expect(terminal.err()).toMatch(/ACCESS_REFUSED.*amq\.mine/)
})

test.each([
  [['now'], 'now'],
  [['--counts', '5'], '--counts'],
  [['--count', '0'], '--count must be an integer from 1'],
  [['--count', '1e3'], '"1e3"'],
  [['--count', '5', '--seconds', '5'], '--count or --seconds'],
  [['--concurrency', '-1'], '--concurrency'],
  [['--mode', 'pool'], 'did you mean pooled?'],
  [['--mode', 'pooled,pooled'], 'pooled is given twice'],
  [['--mode', ''], 'known are pooled, channel-per-call, connection-per-call'],
  [['--args', '{"x": 1}'], '--args must be an array'],
  [['--args', '[1'], '--args is no JSON'],
  [['--kwargs', '[1]'], '--kwargs must be an object'],
  [['--task', ''], 'the name of a task'],
  [['--queue', ''], '--queue must not be empty'],
  [['--profile', ''], '--profile must name a file'],
  [['--profile', 'calls.html', '--mode', MODES.join(',')], 'one mode, or two side by side'],
  [['--exclude', 'v8:'], '--include and --exclude need --profile'],
  [['--broker', 'http://s3cret@127.0.0.1'], "the broker's URL must begin with amqp:"],
])('%j is wrong usage, exit code 2', async (argv, says) => {
  const terminal = writtenTerminal()

  expect(await loadTestCommand(argv, terminal)).toBe(2)

  expect(terminal.out()).toBe('')
  expect(terminal.err()).toMatch(/^pooled-producer load-test: .*\n\nUsage: /)
  expect(terminal.err().split('\n')[0]).toContain(says)
  expect(terminal.err()).not.toContain('s3cret')
})

test('--help prints the usage with examples', async () => {
  const terminal = writtenTerminal()

  expect(await loadTestCommand(['--help'], terminal)).toBe(0)
  expect(terminal.out()).toMatch(/^Usage: pooled-producer load-test[\s\S]*\nExamples:\n/)
})

test('Ctrl-C ends it in order: the figures so far are printed, and the own queue is deleted', async () => {
  const argv = ['load-test', ...AT_BROKER, '--seconds', '600', '--mode', 'pooled,channel-per-call', '--json']
  const source = `
    import { runCommandLine } from '../../lib/cli/command-line.ts'
    let said = ''
    const { stdin, stdout } = process
    const stderr = { write: (text) => { if (!said.includes('0 %') && text.includes('0 %')) console.log('sending'); said += text } }
    process.exitCode = await runCommandLine(${JSON.stringify(argv)}, { stdin, stdout, stderr })
    console.log('said ' + said.includes('load-test: interrupted'))`
  const script = startScript(source)
  expect(await script.nextLine()).toBe('sending')

  script.process.kill('SIGINT')

  let json = ''
  let line = await script.nextLine()
  for (; !line.startsWith('said '); line = await script.nextLine()) json += line
  expect(line).toBe('said true')
  const { queue, isInterrupted, runs } = JSON.parse(json)
  expect(isInterrupted).toBe(true)
  // The mode that had not begun is not there.
  expect(runs.map(({ mode, failed }: { mode: string; failed: number }) => ({ mode, failed }))).toEqual([
    { mode: 'pooled', failed: 0 },
  ])
  expect(await script.ended).toEqual({ code: 130, signal: null })
  expect(await exists(queue)).toBe(false)
}, 60_000)
