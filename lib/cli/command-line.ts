import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { closestName } from '../closest-name.ts'
import { asError, PooledProducerError } from '../errors.ts'
import { printable, type Terminal } from './terminal.ts'

type Command = (argv: readonly string[], terminal: Terminal) => Promise<number>

// Loaded when called: a command must not wait for the code of another, nor fail with it.
const COMMANDS: Readonly<Record<string, { readonly about: string; load(): Promise<Command> }>> = {
  demo: {
    about: 'five ways of sending Celery tasks, side by side on a broker that it gets by itself',
    load: async () => (await import('./demo-command.ts')).demoCommand,
  },
  'load-test': {
    about: 'sends tasks to your broker and measures it: kept channels against one per call',
    load: async () => (await import('./load-test-command.ts')).loadTestCommand,
  },
  report: {
    about: 'how often channels were reused, from the log of a server',
    load: async () => (await import('./report-command.ts')).reportCommand,
  },
  types: {
    about: 'makes the type of your tasks, from running workers or from a Python module',
    load: async () => (await import('./types-command.ts')).typesCommand,
  },
  broker: {
    about: 'starts a broker to try things with',
    load: async () => (await import('./broker-command.ts')).brokerCommand,
  },
}

/** Runs the command that the arguments name; gives the exit code. */
export async function runCommandLine(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined) {
    terminal.stderr.write(usage())
    return 2
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout.write(usage())
    return 0
  }
  if (name === '--version' || name === '-v') {
    terminal.stdout.write(`${await version()}\n`)
    return 0
  }
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (named === undefined) return unknown(name, terminal)
  try {
    const command = await named.load()
    return await command(rest, terminal)
  } catch (error) {
    terminal.stderr.write(`pooled-producer ${name}: ${faultText(error)}\n`)
    return 1
  }
}

/** An error of ours says what is wrong; any other is a fault of the program, whose stack is shown to whoever asks. */
function faultText(thrown: unknown): string {
  const error = asError(thrown)
  if (error instanceof PooledProducerError) return `${printable(error.message)} (${error.code})`
  if (process.env.POOLED_PRODUCER_STACK) return `${error.stack}`
  return `${printable(error.message)}; with POOLED_PRODUCER_STACK=1 it says where`
}

function unknown(name: string, { stderr }: Terminal): number {
  const closest = closestName(name, Object.keys(COMMANDS))
  const hint = closest === undefined ? `; known are ${Object.keys(COMMANDS).join(', ')}` : `; did you mean ${closest}?`
  stderr.write(`pooled-producer: there is no command ${printable(name)}${hint}\n`)
  return 2
}

function usage(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length))
  const lines = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`)
  return `Usage: pooled-producer COMMAND [--help]

${lines.join('\n')}

  --version  the version of the package

Examples:
  npx pooled-producer demo
  npx pooled-producer report server.log --html reuse.html
`
}

async function version(): Promise<string> {
  const file = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}
