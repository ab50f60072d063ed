import process from 'node:process'
import { PooledProducerError } from '../errors.ts'
import { counted } from '../observe/figures.ts'
import { listenForInterruption } from './interruption.ts'
import { LoadProfile } from './load-profile.ts'
import { LoadQueue } from './load-queue.ts'
import { type LoadResult, runLoadTest } from './load-test.ts'
import { type LoadTestRequest, parseLoadTest } from './load-test-options.ts'
import { loadTestText } from './load-test-text.ts'
import { ProgressLine } from './progress-line.ts'
import { errorText, printable, printableJson, type Terminal } from './terminal.ts'

const USAGE = `Usage: pooled-producer load-test [options]

Sends Celery tasks to your broker, each confirmed, and measures rate, latency, CPU and
channels: through a kept channel, or as code does that opens one with each call.

  --broker URL       the broker; by default as for a pool ($AMQP_URL, ...)
  --task NAME        the task; by default pooled_producer.load_test, which no worker knows
  --args JSON        its arguments, such as '[2, 3]'; by default none
  --kwargs JSON      its keyword arguments, such as '{"x": 2}'; by default none
  --queue NAME       a queue of yours, whose tasks stay there; by default one for the
                     test, which is deleted at its end
  --count N          tasks to send in each mode; by default 10,000
  --seconds N        how long to send in each mode, in place of --count
  --concurrency N    calls at a time; by default 100
  --mode MODE,...    pooled (by default), channel-per-call, connection-per-call: several
                     are run one after the other
  --force            sends to a queue that has consumers or messages
  --profile FILE     draws the call graph of one mode, or of two side by side, as a page of
                     HTML; each profile stands beside it as .cpuprofile
  --include NAME,... draws functions of these packages only, such as pooled-producer,amqplib
  --exclude NAME,... draws none of these, such as node:,v8:
  --json             one JSON object in place of the table
  -h, --help         this text

Examples:
  pooled-producer load-test --broker amqp://user:secret@rabbit-1/prod
  pooled-producer load-test --mode pooled,channel-per-call --count 2000
  pooled-producer load-test --task shop.add --args '[2, 3]' --queue shop --seconds 30 --force
  pooled-producer load-test --mode pooled,channel-per-call --profile calls.html --exclude v8:

Exit code: 0 done, 1 calls failed, 2 wrong usage or a queue in use, 3 the broker can't be
reached or refuses, 130 interrupted, after what there is was printed.
`

const INTERRUPTED = 130

/** Runs `pooled-producer load-test` with the arguments after that word; gives the exit code. */
export async function loadTestCommand(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const say = (message: string) => terminal.stderr.write(`pooled-producer load-test: ${message}\n`)
  let request: LoadTestRequest | undefined
  try {
    request = parseLoadTest(argv)
  } catch (error) {
    say(`${errorText(error)}\n\n${USAGE}`)
    return 2
  }
  if (request === undefined) {
    terminal.stdout.write(USAGE)
    return 0
  }

  const interruption = listenForInterruption()
  try {
    const profile = request.profile && (await LoadProfile.prepare(request.profile))
    const queue = await LoadQueue.open(request.urls, request.queue, request.isForced)
    try {
      const progress = new ProgressLine(terminal)
      const result = await runLoadTest(queue, {
        ...request,
        progress,
        signal: interruption.signal,
        ...(profile !== undefined && { watch: (mode, calls) => profile.watch(mode, calls) }),
      })
      terminal.stdout.write(request.isJson ? `${printableJson(result)}\n` : loadTestText(result))
      for (const file of (await profile?.write(result)) ?? []) say(`wrote ${printable(file)}`)
      return exitCode(result, say)
    } finally {
      await queue.close().catch((error) => say(`the queue ${queue.name} is left: ${errorText(error)}`))
    }
  } catch (error) {
    say(errorText(error))
    return isOfBroker(error) ? 3 : 2
  } finally {
    interruption.stop()
  }
}

/** Says what failed. */
function exitCode({ runs, isInterrupted }: LoadResult, say: (message: string) => void): number {
  for (const { mode, failed, failure } of runs) {
    if (failure === null) continue
    const code = failure.code === null ? '' : ` (${failure.code})`
    say(`${mode}: ${counted(failed, 'call')} failed: ${printable(failure.message)}${code}`)
  }
  if (isInterrupted) say('interrupted')
  if (isInterrupted) return INTERRUPTED
  return runs.some(({ failed }) => failed > 0) ? 1 : 0
}

/** Whether the broker is away or refuses, the connection or, with a reply code of AMQP's, what is done on it. */
function isOfBroker(error: unknown): boolean {
  if (error instanceof PooledProducerError) return error.code.startsWith('ERR_BROKER_')
  return typeof (error as { code?: unknown }).code === 'number'
}
