import process from 'node:process'
import { parseArgs } from 'node:util'
import { ReuseReport } from '../observe/reuse-report.ts'
import { readLines } from './line-reader.ts'
import { inOrderOfTime, openLog } from './log-files.ts'
import { reportText, skippedText } from './report-text.ts'
import { emphasis, printable, printableJson, type Terminal } from './terminal.ts'

const USAGE = `Usage: pooled-producer report LOG... [--json]

Says how often each channel was reused, from the lines that pools logged with pino.
LOG is a file, packed with gzip or not, or - for the standard input. Rotated files
are read in the order of their times, and lines of others are passed over.

  --json      one JSON object in place of tables
  -h, --help  this text

Exit code: 0 a report was made, 1 the log holds no line of a pool, 2 wrong usage.
`

/** Runs `pooled-producer report` with the arguments after that word; gives the exit code. */
export async function reportCommand(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const { stdin, stdout, stderr } = terminal
  const options = parse(argv)
  if (typeof options === 'string') return refuse(terminal, `${options}\n\n${USAGE}`)
  if (options.isHelp) {
    stdout.write(USAGE)
    return 0
  }
  const isPiped = options.logs.length === 0 && stdin.isTTY !== true
  const logs = isPiped ? ['-'] : options.logs
  if (logs.length === 0) return refuse(terminal, `no log was given\n\n${USAGE}`)

  const report = new ReuseReport()
  for (const path of await inOrderOfTime(logs)) {
    try {
      await readLines(openLog(path, stdin), (line) => report.add(line))
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // A packed file without its end is one that is still being written: what it holds counts.
      if (!code?.startsWith('Z_')) return refuse(terminal, `can't read ${printable(path)}: ${printable(message)}\n`)
      stderr.write(`pooled-producer report: ${printable(path)} ends early (${message})\n`)
    }
  }

  const result = report.result()
  if (options.isJson) stdout.write(`${printableJson(result)}\n`)
  else if (result.records > 0) stdout.write(reportText(result, emphasis(terminal)))
  if (result.records > 0) return 0
  stderr.write(`pooled-producer report: no line of a pool in the log (${skippedText(result) || 'it is empty'})\n`)
  return 1
}

/** The options, or what is wrong with them. */
function parse(argv: readonly string[]): { logs: string[]; isJson: boolean; isHelp: boolean } | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    return { logs: positionals, isJson: values.json === true, isHelp: values.help === true }
  } catch (error) {
    return (error as Error).message
  }
}

function refuse({ stderr }: Terminal, message: string): number {
  stderr.write(`pooled-producer report: ${message}`)
  return 2
}
