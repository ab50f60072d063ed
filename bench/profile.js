import { contestants } from './contestants/roster.js'
import { DESTINATIONS } from './harness/destinations.js'
import { BenchResult } from './harness/result.js'
import { startAll } from './harness/rounds.js'
import { progress, round } from './harness/terminal.js'

export const question = 'Where does the CPU time of a confirmed task go, by function?'

const PLAN = { names: ['pooled-producer'], to: ['none'], inFlight: [500], seconds: 5 }
const SHOWN = 30

/** @param {object} options `contestants`, `to`, `in-flight` and `seconds` narrow or widen the run. */
export async function measure({ broker, options }) {
  const plan = { ...PLAN, ...options }
  const result = new BenchResult('profile')
  for (const to of plan.to) {
    for (const inFlight of plan.inFlight) {
      const settings = (entry) => ({ ...broker.destination(entry, to === 'queue'), inFlight })
      const { started, absent } = await startAll(contestants(plan.names, progress.heading), settings)
      for (const [name, reason] of absent) progress.heading(`${name} is left out: ${reason}`)
      try {
        for (const contestant of started) {
          progress.step(`${contestant.name}: warming up`)
          await contestant.ask('turn', { ms: 2_000, inFlight })
          progress.step(`${contestant.name}: under the profiler`)
          const found = await contestant.ask('profile', { ms: plan.seconds * 1e3, inFlight })
          await broker.purge()
          report(result, contestant, found, to, inFlight)
        }
      } finally {
        await Promise.all(started.map((contestant) => contestant.stop()))
      }
    }
  }
  return result
}

function report(result, { name, version }, { count, cpuUs, functions }, to, inFlight) {
  // `dispatch` without a place is the profiler at its own end.
  const busy = functions.filter(({ name, place }) => name !== '(idle)' && !(name === 'dispatch' && place === ''))
  const total = busy.reduce((sum, { selfUs }) => sum + selfUs, 0)
  const top = busy.slice(0, SHOWN)
  result.addCase({ contestant: name, version, to, inFlight, cpuUs: cpuUs / count, functions: top })
  result.addTable(
    `${name} ${DESTINATIONS[to]}, ${inFlight} in flight: ${round(cpuUs / count)} us a task with the profiler on`,
    ['function', 'us/task', 'share', 'notes'],
    top.map((each) => ({
      function: each.name,
      'us/task': (each.selfUs / count).toFixed(3),
      share: `${((each.selfUs / total) * 100).toFixed(1)} %`,
      notes: each.place,
    })),
  )
}
