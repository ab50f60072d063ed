import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createCelery } from '../celery/celery.ts'
import { PooledProducerError } from '../errors.ts'
import { MAX_TIMER_MS } from '../integer.ts'
import { counted } from '../observe/figures.ts'
import { type DescribedTask, tasksOfModule } from './python-tasks.ts'
import { errorText, printable, type Terminal } from './terminal.ts'
import { typesText } from './types-text.ts'

const USAGE = `Usage: pooled-producer types [--broker URL] [--destination NODE]... [--timeout SECONDS] [--out FILE]
       pooled-producer types --module NAME [--python COMMAND] [--out FILE]

Makes the type Tasks for createCelery<Tasks>(): from running workers, which tell the
names of their tasks, or from a Python module, whose signatures and annotations say
what tasks take and give too. The module is imported, with all that its app includes.

  --broker URL        where the workers are; by default as for a pool ($AMQP_URL, ...)
  --destination NODE  a worker such as celery@host; by default all that answer
  --timeout SECONDS   how long answers are waited for; by default 2
  --module NAME       a module with tasks or with the Celery app, such as shop.tasks
  --python COMMAND    the Python that can import it; by default python3
  --out FILE          a file in place of the standard output
  -h, --help          this text

Exit code: 0 the type was made, 1 no worker answered or the module cannot be imported,
2 wrong usage.
`

interface TypesOptions {
  readonly broker: string | undefined
  readonly destination: string[] | undefined
  readonly timeoutMs: number
  readonly module: string | undefined
  readonly python: string
  readonly outFile: string | undefined
  readonly isHelp: boolean
}

/** Runs `pooled-producer types` with the arguments after that word; gives the exit code. */
export async function typesCommand(argv: readonly string[], terminal: Terminal = process): Promise<number> {
  const { stdout, stderr } = terminal
  const say = (message: string) => stderr.write(`pooled-producer types: ${message}\n`)
  const options = parse(argv)
  if (typeof options === 'string') {
    say(`${printable(options)}\n\n${USAGE}`)
    return 2
  }
  if (options.isHelp) {
    stdout.write(USAGE)
    return 0
  }

  const { module, python, outFile } = options
  let tasks: readonly (DescribedTask | string)[]
  try {
    tasks = module === undefined ? await registeredTasks(options) : await tasksOfModule(module, python)
  } catch (error) {
    say(errorText(error))
    return error instanceof PooledProducerError && error.code === 'ERR_INVALID_OPTION' ? 2 : 1
  }
  const text = typesText(tasks, module === undefined ? 'running workers' : module)
  if (outFile === undefined) {
    stdout.write(text)
    return 0
  }
  try {
    await writeFile(outFile, text)
  } catch (error) {
    say(`can't write ${printable(outFile)}: ${printable((error as Error).message)}`)
    return 1
  }
  say(`wrote ${counted(tasks.length, 'task')} to ${printable(outFile)}`)
  return 0
}

/** The names that workers know, each once. */
async function registeredTasks({ broker, destination, timeoutMs }: TypesOptions): Promise<string[]> {
  await using app = createCelery({ logger: false, ...(broker !== undefined && { broker }) })
  const inspect = app.control.inspect({ timeoutMs, ...(destination !== undefined && { destination }) })
  const answers = Object.values(await inspect.registered())
  if (answers.length === 0) throw new Error(`no worker answered in ${timeoutMs / 1_000} s`)
  return [...new Set(answers.flat())].sort()
}

/** The options, or what is wrong with them. */
function parse(argv: readonly string[]): TypesOptions | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        broker: { type: 'string' },
        destination: { type: 'string', multiple: true },
        timeout: { type: 'string', default: '2' },
        module: { type: 'string' },
        python: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const { broker, destination, timeout, module, python, out: outFile, help: isHelp = false } = values
    const timeoutMs = Number(timeout) * 1_000
    if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMER_MS)) return `--timeout must be a number of seconds, got ${timeout}`
    if (module !== undefined && (broker !== undefined || destination !== undefined)) {
      return '--module asks no worker: give it, or --broker and --destination'
    }
    if (module === undefined && python !== undefined) return '--python needs --module'
    return {
      broker,
      destination,
      timeoutMs: Math.ceil(timeoutMs),
      module,
      python: python ?? 'python3',
      outFile,
      isHelp,
    }
  } catch (error) {
    return (error as Error).message
  }
}
