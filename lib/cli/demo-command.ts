import process from 'node:process'
import { parseArgs } from 'node:util'
import { integer } from '../integer.ts'
import { type Broker, startBroker } from '../testing/broker.ts'
import { runDemo } from './demo.ts'
import { demoText } from './demo-text.ts'
import { listenForInterruption } from './interruption.ts'
import { ProgressLine } from './progress-line.ts'
import { TaskQueue } from './task-queue.ts'
import { emphasis, errorText, printable, printableJson, type Terminal } from './terminal.ts'

const USAGE = `Usage: pooled-producer demo [--tasks N] [--json]

Gets a broker and sends Celery tasks to it in five ways: by hand through a channel
opened and closed per call, with and without noDelay; by celery-node as it is; by the
same client wrapped by withPooledProducer(); by createCelery() on a pool. It consumes
the tasks to see that each arrived once, just as it was sent, and takes about 30 s.
AMQP_URL names a broker to use, AMQP_BROKER=rabbitmq or =emulator the kind to start.

  --tasks N   send N tasks in every way, however long that takes; celery-node
              alone may take 20 s for 1,000. Default: 20,000 or 4 s, what comes first
  --json      one JSON object in place of the table
  -h, --help  this text

Exit code: 0 every task arrived, 1 a task was lost or a call failed, 2 wrong usage,
3 no broker can be had, 130 interrupted.
`
const MAX_TASKS = 1_000_000

/** Runs `pooled-producer demo` with the arguments after that word; gives the exit code. */
export async function demoCommand(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const { stdout, stderr } = terminal
  const options = parse(argv)
  if (typeof options === 'string') {
    stderr.write(`pooled-producer demo: ${printable(options)}\n\n${USAGE}`)
    return 2
  }
  if (options.isHelp) {
    stdout.write(USAGE)
    return 0
  }

  let broker: Broker | undefined
  let queue: TaskQueue
  try {
    // Until it runs a signal ends this process as usual, and what was started so far ends with it.
    broker = await startBroker({ onProgress: (line) => stderr.write(`${line}\n`) })
    queue = await TaskQueue.open(broker.url, 'demo')
  } catch (error) {
    await broker?.stop()
    stderr.write(`pooled-producer demo: ${errorText(error)}\n`)
    return 3
  }

  const interruption = listenForInterruption()
  const progress = new ProgressLine(terminal)
  try {
    const { signal } = interruption
    const { result, faults } = await runDemo(broker, queue, { tasks: options.tasks, progress, signal })
    stdout.write(options.isJson ? `${printableJson(result)}\n` : `\n${demoText(broker, result, emphasis(terminal))}`)
    for (const fault of faults) stderr.write(`pooled-producer demo: ${fault}\n`)
    return faults.length === 0 ? 0 : 1
  } catch (error) {
    progress.end()
    const isInterrupted = interruption.signal.aborted
    stderr.write(`pooled-producer demo: ${isInterrupted ? 'interrupted' : errorText(error)}\n`)
    return isInterrupted ? 130 : 1
  } finally {
    await queue.close()
    await broker.stop()
    interruption.stop()
  }
}

/** The options, or what is wrong with them. */
function parse(argv: readonly string[]): { tasks: number | undefined; isJson: boolean; isHelp: boolean } | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { tasks: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    const tasks = values.tasks === undefined ? undefined : taskCount(values.tasks)
    return { tasks, isJson: values.json === true, isHelp: values.help === true }
  } catch (error) {
    return (error as Error).message
  }
}

function taskCount(text: string): number {
  return integer('--tasks', /^\d+$/.test(text) ? Number(text) : text, 1, MAX_TASKS)
}
