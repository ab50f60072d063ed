// A chaos run: `npm run chaos -- --minutes M --seed S`. Its result is one line of JSON on standard output; the exit
// code is 1 when something was lost or hung, or any other promise was broken.
import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ChaosProgress } from './chaos-progress.ts'
import { ChaosRun } from './run.ts'

/** Beside the minutes asked for: for the start of the cluster, the last fault, the drain and the end. */
const SPARE_MS = 10 * 60_000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 30)}` },
    rate: { type: 'string', default: '4000' },
    folder: { type: 'string' },
  },
})
const number = (name: 'minutes' | 'seed' | 'rate'): number => {
  const value = Number(values[name])
  if (value > 0) return value
  throw new Error(`--${name} must be a number above 0, got ${values[name]}`)
}
const minutes = number('minutes')
const options = { minutes, seed: number('seed'), rate: number('rate'), folder: values.folder }
if (options.folder !== undefined) mkdirSync(options.folder, { recursive: true })

// Whatever hangs, the run ends, and what it has started ends with it.
setTimeout(
  () => {
    process.stderr.write('chaos: the run did not end in time\n')
    process.exit(1)
  },
  minutes * 60_000 + SPARE_MS,
).unref()

const progress = new ChaosProgress(options)
const run = new ChaosRun(options, progress)
progress.watch(run)
const result = await run.run()
progress.end()
console.log(JSON.stringify(result))
process.exit(result.passed ? 0 : 1)
