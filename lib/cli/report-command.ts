import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { reportPage } from '../observe/page/report-page.ts'
import { ReuseReport } from '../observe/reuse-report.ts'
import { followLog } from './follow-log.ts'
import { listenForInterruption } from './interruption.ts'
import { readLines } from './line-reader.ts'
import { LiveReport } from './live-report.ts'
import { inOrderOfTime, openLog } from './log-files.ts'
import { reportText, skippedText } from './report-text.ts'
import { emphasis, printable, printableJson, type Terminal } from './terminal.ts'

const USAGE = `Usage: pooled-producer report LOG... [--json] [--html FILE] [--follow]

Says how often each channel was reused, from the lines that pools logged with pino.
LOG is a file, packed with gzip or not, or - for the standard input. Rotated files
are read in the order of their times, and lines of others are passed over.

  --json       one JSON object in place of tables
  --html FILE  one page with pictures, which needs nothing beside it
  --follow     shows how it goes while the log is written, until Ctrl-C; then the report
  -h, --help   this text

Examples:
  node server.js | tee server.log
  pooled-producer report server.log server.log.1.gz
  kubectl logs deploy/api | pooled-producer report - --html reuse.html
  pooled-producer report server.log --follow

Exit code: 0 a report was made, 1 the log holds no line of a pool, 2 wrong usage,
130 a report was made when --follow was interrupted.
`

const INTERRUPTED = 130

/** Runs `pooled-producer report` with the arguments after that word; gives the exit code. */
export async function reportCommand(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const { stdin, stdout, stderr } = terminal
  const options = parse(argv)
  if (typeof options === 'string') return refuse(terminal, `${printable(options)}\n\n${USAGE}`)
  if (options.isHelp) {
    stdout.write(USAGE)
    return 0
  }
  const isPiped = options.logs.length === 0 && stdin.isTTY !== true
  const logs = isPiped ? ['-'] : options.logs
  if (logs.length === 0) return refuse(terminal, `no log was given\n\n${USAGE}`)

  const report = new ReuseReport()
  const { fault, isInterrupted = false } = options.isFollowing
    ? await follow(logs, report, terminal)
    : await readAll(logs, report, terminal)
  if (fault !== undefined) return refuse(terminal, fault)

  const result = report.result()
  if (options.htmlFile !== undefined && result.records > 0) {
    try {
      await writeFile(options.htmlFile, reportPage(result, skippedText(result)))
    } catch (error) {
      return refuse(terminal, `can't write ${printable(options.htmlFile)}: ${printable((error as Error).message)}\n`)
    }
    stderr.write(`pooled-producer report: wrote ${printable(options.htmlFile)}\n`)
  }
  if (options.isJson) stdout.write(`${printableJson(result)}\n`)
  else if (result.records > 0) stdout.write(reportText(result, emphasis(terminal)))
  if (result.records > 0) return isInterrupted ? INTERRUPTED : 0
  stderr.write(`pooled-producer report: no line of a pool in the log (${skippedText(result) || 'it is empty'})\n`)
  return 1
}

/** How reading ended: with what was wrong with a log, or by the person's wish. */
interface ReadEnd {
  readonly fault?: string
  readonly isInterrupted?: boolean
}

/** Reads logs to their ends. */
async function readAll(logs: readonly string[], report: ReuseReport, terminal: Terminal): Promise<ReadEnd> {
  for (const path of await inOrderOfTime(logs)) {
    try {
      await readLines(openLog(path, terminal.stdin), (line) => report.add(line))
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // A packed file without its end is one that is still being written: what it holds counts.
      if (!code?.startsWith('Z_')) return { fault: `can't read ${printable(path)}: ${printable(message)}\n` }
      terminal.stderr.write(`pooled-producer report: ${printable(path)} ends early (${message})\n`)
    }
  }
  return {}
}

/** Reads logs as they grow, until the person has seen enough, or a pipe has ended. */
async function follow(logs: readonly string[], report: ReuseReport, terminal: Terminal): Promise<ReadEnd> {
  const interruption = listenForInterruption()
  // A log that cannot be read ends the reading of the others.
  const ending = new AbortController()
  const signal = AbortSignal.any([interruption.signal, ending.signal])
  const live = new LiveReport(report, terminal)
  try {
    const add = (line: string) => report.add(line)
    const reading = logs.map((path) => {
      return path === '-' ? readLines(terminal.stdin, add) : followLog(path, add, signal)
    })
    await Promise.race([Promise.all(reading), once(interruption.signal, 'abort')])
    return { isInterrupted: interruption.signal.aborted }
  } catch (error) {
    return { fault: `can't read on: ${printable((error as Error).message)}\n` }
  } finally {
    ending.abort()
    live.stop()
    interruption.stop()
    terminal.stdin.destroy()
  }
}

interface ReportOptions {
  readonly logs: string[]
  readonly isFollowing: boolean
  readonly isJson: boolean
  readonly htmlFile: string | undefined
  readonly isHelp: boolean
}

/** The options, or what is wrong with them. */
function parse(argv: readonly string[]): ReportOptions | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        html: { type: 'string' },
        follow: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const { json = false, html, follow = false, help = false } = values
    return { logs: positionals, isFollowing: follow, isJson: json, htmlFile: html, isHelp: help }
  } catch (error) {
    return (error as Error).message
  }
}

function refuse({ stderr }: Terminal, message: string): number {
  stderr.write(`pooled-producer report: ${message}`)
  return 2
}
