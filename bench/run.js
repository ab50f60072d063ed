import { parseArgs } from 'node:util'
import { ensureInstalled } from './harness/installation.js'

const BENCHES = [
  'cpu-per-task',
  'many-in-flight',
  'latency',
  'memory',
  'api-server',
  'processes',
  'sockets',
  'report',
  'connections',
]

const USAGE = `npm run bench -- [NAME ...] [options]

  NAME                 ${BENCHES.join(', ')}; none: all of these
                       profile: where the CPU time of one contestant goes, by function

  --quick              a short run, for CI
  --json               one JSON line per case on stdout instead of tables
  --baseline           compare with bench/baseline.json; exit 1 when a ratio is worse by more than 15 % and its
                       spread, or was not measured
  --steady             compare only what holds on a busy machine: CPU to amqplib's, to no queue
  --save-baseline      store the ratios of this run in bench/baseline.json
  --contestants A,B    only these
  --in-flight N,M      only these levels (cpu-per-task)
  --to none,queue      only these destinations
  --rounds N           counted rounds
  --seconds N          how long a turn takes
`

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    baseline: { type: 'boolean', default: false },
    steady: { type: 'boolean', default: false },
    'save-baseline': { type: 'boolean', default: false },
    contestants: { type: 'string' },
    'in-flight': { type: 'string' },
    to: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const unknown = positionals.filter((name) => !BENCHES.includes(name) && name !== 'profile')
if (flags.help || unknown.length > 0) {
  if (unknown.length > 0) process.stderr.write(`no bench ${unknown.join(', ')}\n\n`)
  process.stderr.write(USAGE)
  process.exit(flags.help ? 0 : 2)
}

await ensureInstalled()
// Only now: these import what has just been installed.
const { runBenches } = await import('./harness/session.js')
const { quick, json, baseline, steady } = flags
process.exitCode = await runBenches(positionals.length > 0 ? positionals : BENCHES, {
  quick,
  json,
  baseline,
  steady,
  saveBaseline: flags['save-baseline'],
  options: narrowed(),
})

/** The flags that narrow a run; one that was not given is absent, so that the bench's own plan holds. */
function narrowed() {
  const list = (text) => text?.replaceAll('_', '').split(',')
  const given = {
    names: list(flags.contestants),
    inFlight: list(flags['in-flight'])?.map(Number),
    to: list(flags.to),
    rounds: flags.rounds && Number(flags.rounds),
    seconds: flags.seconds && Number(flags.seconds),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
