import { once } from 'node:events'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { MAX_TIMER_MS } from '../integer.ts'
import { startBroker } from '../testing/broker.ts'
import { listenForInterruption } from './interruption.ts'
import { printable, printableJson, type Terminal } from './terminal.ts'

const USAGE = `Usage: pooled-producer broker [--json]

Starts a broker to try things with, prints its URL, and ends it on Ctrl-C or SIGTERM.
The first of these serves: what AMQP_URL names, an installed RabbitMQ (a private node),
a RabbitMQ fetched by apt without root, amqp-emulator. AMQP_BROKER=rabbitmq or =emulator
allows only that one.

  --json      one JSON object in place of the URL
  -h, --help  this text

Exit code: 0 ended on request, 1 no broker can be had, 2 wrong usage.
`

/** Runs `pooled-producer broker` with the arguments after that word; gives the exit code. */
export async function brokerCommand(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const { stdout, stderr } = terminal
  const options = parse(argv)
  if (typeof options === 'string') {
    stderr.write(`pooled-producer broker: ${printable(options)}\n\n${USAGE}`)
    return 2
  }
  if (options.isHelp) {
    stdout.write(USAGE)
    return 0
  }

  // Until it runs a signal ends this process as usual, and what was started so far ends with it.
  const broker = await startBroker({ onProgress: (line) => stderr.write(`${line}\n`) })
  const { url, kind, product, version, node } = broker
  const asked = endRequest()
  if (options.isJson) stdout.write(`${printableJson({ url, kind, product, version, pid: node?.pid })}\n`)
  else stdout.write(`${url}\n`)
  stderr.write('Ctrl-C ends it\n')
  await asked
  await broker.stop()
  return 0
}

/** Resolves when a person or a supervisor wants it to end. */
async function endRequest(): Promise<void> {
  const { signal } = listenForInterruption()
  // Neither a broker nor a signal handler keeps the process running.
  const timer = setInterval(() => {}, MAX_TIMER_MS)
  await once(signal, 'abort')
  clearInterval(timer)
}

/** The options, or what is wrong with them. */
function parse(argv: readonly string[]): { isJson: boolean; isHelp: boolean } | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    return { isJson: values.json === true, isHelp: values.help === true }
  } catch (error) {
    return (error as Error).message
  }
}
