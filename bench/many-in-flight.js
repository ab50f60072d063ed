import { contestants } from './contestants/roster.js'
import { DESTINATIONS } from './harness/destinations.js'
import { BenchResult } from './harness/result.js'
import { interleave, startAll } from './harness/rounds.js'
import { median, ratioOfMedians } from './harness/statistics.js'
import { progress, ratioText, round } from './harness/terminal.js'
import { warmUp } from './harness/warm-up.js'

export const question = 'Does a task cost more with 100,000 in flight than with 100?'

const [FEW, MANY] = [100, 100_000]
const NAMES = ['pooled-producer', 'cloudamqp', 'raw-awaited']
const FULL = { rounds: 7, names: NAMES }
const QUICK = { rounds: 3, names: ['pooled-producer'] }
/** How often all of many are replaced in a turn, so that it is they that count, and not their first burst. */
const TURNOVERS = 5
/** Whoever would take longer for that replaces them less often. */
const MOST_SECONDS = 10

/** @param {object} options `to`, `contestants` and `rounds` narrow the run. */
export async function measure({ broker, quick, options }) {
  const plan = { to: Object.keys(DESTINATIONS), ...(quick ? QUICK : FULL), ...options }
  const entries = contestants(plan.names, progress.heading)
  const result = new BenchResult('many-in-flight')
  for (const to of plan.to) {
    progress.heading(`many-in-flight: ${DESTINATIONS[to]}`)
    report(result, { to, entries, ...(await measureCase({ broker, entries, to, plan })) })
  }
  return result
}

/** Few and many take turns too: in two runs after each other the machine would be compared with itself. */
async function measureCase({ broker, entries, to, plan }) {
  const started = []
  const remarks = new Map()
  const counts = new Map()
  try {
    for (const inFlight of [FEW, MANY]) {
      const settings = (entry) => ({ ...broker.destination(entry, to === 'queue'), inFlight })
      const level = await startAll(entries, settings)
      for (const [name, reason] of level.absent) remarks.set(name, reason)
      for (const contestant of level.started) {
        started.push(Object.assign(contestant, { name: caseName(contestant.name, inFlight), inFlight }))
      }
    }
    for (const contestant of started) {
      progress.step(`${contestant.name}: warming up`)
      const rate = await warmUp(contestant, contestant.inFlight).catch(({ message }) => {
        remarks.set(contestant.name, message)
        contestant.kill()
      })
      if (rate !== undefined) counts.set(contestant.name, turnCount(rate))
    }
    await broker.purge()
    const { figures, failed } = await interleave(
      started.filter(({ name }) => counts.has(name)),
      plan.rounds,
      async (contestant) => {
        const { name, inFlight } = contestant
        const { cpuUs, count } = await contestant.ask('turn', { count: counts.get(name), inFlight })
        await broker.purge()
        return cpuUs / count
      },
      (number, { name }) => progress.step(`round ${number} of ${plan.rounds}: ${name}`),
    )
    return { figures, remarks: new Map([...remarks, ...failed]) }
  } finally {
    await Promise.all(started.map((contestant) => contestant.stop()))
  }
}

/** As many for few as for many: a turn of the same length meets as much of the machine's moods. */
function turnCount(rate) {
  return MANY * Math.min(TURNOVERS, Math.max(1, Math.floor((rate * MOST_SECONDS) / MANY)))
}

function report(result, { to, entries, figures, remarks }) {
  const columns = ['contestant', `CPU us/task at ${round(FEW)}`, `at ${round(MANY)}`, 'ratio', 'notes']
  const rows = entries.map(({ name, kind, note }) => {
    const [few, many] = [FEW, MANY].map((inFlight) => figures.get(caseName(name, inFlight)))
    const reasons = [FEW, MANY].map((inFlight) => remarks.get(caseName(name, inFlight)))
    const row = {
      contestant: name,
      ours: kind === 'ours',
      notes: [note, remarks.get(name), ...reasons].filter(Boolean).join('; '),
    }
    const ratio = few && many ? ratioOfMedians(many, few) : undefined
    if (name === 'pooled-producer') {
      const bar = `CPU ${DESTINATIONS[to]}, at 100,000 in flight to that at 100`
      result.addBar(bar, 'at most', 1.25, ratio?.ratio, ratio && ratioText(ratio))
      result.addRatio(`${to}/cpu at 100,000 to that at 100`, ratio, 'lower')
    }
    if (ratio === undefined) return row
    const [fewUs, manyUs] = [median(few), median(many)]
    result.addCase({ contestant: name, kind, to, fewUs, manyUs, ratio, notes: row.notes })
    return { ...row, [columns[1]]: round(fewUs), [columns[2]]: round(manyUs), ratio: ratioText(ratio) }
  })
  result.addTable(`${DESTINATIONS[to]}, ${round(FEW)} and ${round(MANY)} in flight`, columns, rows)
}

function caseName(name, inFlight) {
  return `${name} at ${inFlight}`
}
